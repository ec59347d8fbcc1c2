/*
 * test_policy_secure_join - the one cleartext message of two clients without keys, and messages
 * that only resemble it
 */
#include "policy_fixture.h"

static const struct change secure_join_accepted[] = {
    {BOTH, CM_REASON_SECURE_JOIN, "", ""},
    {BOTH, CM_REASON_SECURE_JOIN, "\nsecure-join: vc-request\n",
     "\n\n \tSECURE-join: VC-Request \n\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Content-Transfer-Encoding: 7bit\n\nsecure-join: vc-request\n",
     "Content-Transfer-Encoding: quoted-printable\n\nsecure-join: vc=\n-request\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Content-Transfer-Encoding: 7bit\n\nsecure-join: vc-request\n",
     "Content-Transfer-Encoding: base64\n\nc2VjdXJlLWpvaW46IHZjLXJlcXVlc3Q=\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Secure-Join: vc-request\n", "secure-join:  VC-REQUEST\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "; format=flowed; delsp=no\n", "\n"},
    {IN, CM_REASON_SECURE_JOIN, "\n--abc\n", "\nThis is a multipart message.\n--abc\n"},
    {IN, CM_REASON_SECURE_JOIN, "delsp=no\n", "delsp=no\nContent-Language: de\n"},
    /* Delta Chat 1.160 to 2.44 */
    {BOTH, CM_REASON_SECURE_JOIN, "delsp=no\n", "delsp=no\nMessage-ID: <ed3e-a@localhost>\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "delsp=no\n", "delsp=no\nmessage-id:\n <ed3e-a@localhost> \n"},
    {IN, CM_REASON_SECURE_JOIN, "--abc--\n", "--abc--\nlist mailing list\n"},
};

static const struct change secure_join_refused[] = {
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", ""},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", "Secure-Join: vc-auth-required\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", "Secure-Join: vg-request\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Secure-Join: vc-request\n",
     "Secure-Join: vc-request\nSecure-Join: vg-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request please\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join: vc-auth\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join:vc-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nHello Bob\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request\nmore\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request\nsecure-join: vc-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join: vc-request\2\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain", "text/html"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain", "application/octet-stream"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain; ", "multipart/mixed; "},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain; ", "message/rfc822; "},
    {BOTH, CM_REASON_NOT_ENCRYPTED,
     "Content-Type: text/plain; charset=\"utf-8\"; format=flowed; delsp=no\n", ""},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/mixed", "multipart/alternative"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Content-Type: multipart/mixed; boundary=\"abc\"\n",
     "Content-Type: text/plain\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "utf-8", "utf-7"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "utf-8", "utf-16le"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n",
     "--abc\nContent-Type: text/plain\n\nsecond\n--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n", ""},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "--abc--\n", "--abc--\nHello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "\n--abc\n", "\nHello Bob\n--abc\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: <a b@localhost>\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: <a@b> Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: Hello <a@b>\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: (Hello) <a@b>\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID:\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: <hello@bob>\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nMessage-ID: <ed3e-a@localhos>\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "delsp=no\n",
     "delsp=no\nMessage-ID: <ed3e-a@localhost>\nMessage-ID: <ed3e-a@localhost>\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nX-Text: Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no", "title=hello"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "format=flowed", "format=hello"},
};

static void secure_join_requests_pass(void **state)
{
	test_check_table(*state, SECURE_JOIN, secure_join_accepted, COUNT(secure_join_accepted));
}

static void other_text_is_not_a_secure_join_request(void **state)
{
	test_check_table(*state, SECURE_JOIN, secure_join_refused, COUNT(secure_join_refused));
}

#define REQUEST_FIELDS                                                                             \
	"Secure-Join: vc-request\nSecure-Join-Invitenumber: at-noon\nSecure-Join-Group: noon\n"    \
	"secure-join-fingerprint: AB12\nSecure-Join-Auth: noon\n"

/* How many of these fields leave. */
static size_t count_request_fields(const struct fixture *fixture, const char *text)
{
	struct test_delivery delivery = {
	    .message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE), .piece = 100};
	const struct cm_header_rewrite *rewrite = cm_message_header_rewrite(delivery.message);
	struct cm_verdict verdict;
	size_t leave = 0;

	assert_true(cm_message_recipient(delivery.message, "<bob@peer.test>"));
	test_give(&delivery, text, strlen(text));
	/* The milter signs the header before the body comes. */
	for (size_t i = 0; i < rewrite->count; i++) {
		assert_true(rewrite->field[i].changed || rewrite->field[i].value != NULL);
		leave += strncasecmp(rewrite->field[i].name, "Secure-Join", 11) == 0 &&
			 rewrite->field[i].value != NULL;
	}
	cm_message_end(delivery.message, CM_DKIM_NONE, &verdict);
	assert_true(cm_reason_accepts(verdict.reason));
	cm_message_free(&delivery.message);
	return leave;
}

static void fields_of_a_request_leave_with_it_only(void **state)
{
	char *usual = test_usual_message();
	char *encrypted = test_replaced(usual, FROM_LINE, FROM_LINE REQUEST_FIELDS);
	char *request = test_replaced(SECURE_JOIN, "Secure-Join: vc-request\n", REQUEST_FIELDS);

	assert_int_equal(count_request_fields(*state, request), 4);
	assert_int_equal(count_request_fields(*state, encrypted), 0);
	free(request);
	free(encrypted);
	free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(secure_join_requests_pass),
	    cmocka_unit_test(other_text_is_not_a_secure_join_request),
	    cmocka_unit_test(fields_of_a_request_leave_with_it_only),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
