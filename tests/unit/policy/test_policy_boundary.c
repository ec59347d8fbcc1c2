/*
 * test_policy_boundary - a Content-Type in which other readers find another boundary
 */
#include "policy_fixture.h"

/* An incoming Content-Type in which other readers find another boundary, or none. */
#define TYPE_IS(rest) "multipart/encrypted; protocol=\"application/pgp-encrypted\"" rest

/* Places for text, in which %s is the boundary of another reader. */
static const struct {
	const char *old, *new;
	enum cm_reason reason;
} carriers[] = {
    {PART1, "--%s\nContent-Type: text/plain\n\nHello Bob\n--%s--\n" PART1,
     CM_REASON_CLEARTEXT_IN_MIME},
    {PART1, "Hello Bob\n" PART1, CM_REASON_CLEARTEXT_IN_MIME},
    {DESC2, "Subject: Hello Bob\n", CM_REASON_CLEARTEXT_IN_MIME},
    {BEGIN, BEGIN "Comment: Hello Bob\n", CM_REASON_ARMOR},
    {LAST, "\n--abc-- \n", CM_REASON_MIME_STRUCTURE},
    {LAST, LAST "Hello Bob\n", CM_REASON_CLEARTEXT_IN_MIME},
};

/* In the message each of these is refused. */
static void check_carriers(const struct fixture *fixture, const char *base, const char *boundary,
			   size_t number)
{
	for (size_t k = 0; k < COUNT(carriers); k++) {
		char *with = test_replaced(base, carriers[k].old, carriers[k].new);
		char *one =
		    strstr(with, "%s") != NULL ? test_replaced(with, "%s", boundary) : strdup(with);
		char *text =
		    strstr(one, "%s") != NULL ? test_replaced(one, "%s", boundary) : strdup(one);

		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			    carriers[k].reason, number * COUNT(carriers) + k);
		free(text);
		free(one);
		free(with);
	}
}

static void another_boundary_shows_no_text(void **state)
{
	static const struct {
		const char *type, *boundary;
	} types[] = {
	    {TYPE_IS("; (; boundary=x;) boundary=abc"), "x"},
	    {TYPE_IS(" (; boundary=x;); boundary=abc"), "x"},
	    {TYPE_IS("; boundary=\"abc\" (c)"), "\"abc\" (c)"},
	    {TYPE_IS("; boundary=\"a\\bc\""), "a\\bc"},
	    {TYPE_IS("; x=\"; boundary=x; y=\"; boundary=\"abc\""), "x"},
	    {"multipart/encrypted; protocol=application/pgp-encrypted; boundary=\"abc\"", "x"},
	    /* ruby-mail finds no boundary. */
	    {TYPE_IS("; x=\"\xe9\x80\"; boundary=\"abc\""), ""},
	    {TYPE_IS("; x-boundary=x; boundary=\"abc\""), "x"},
	    {TYPE_IS("; x=\"boundary=x\"; boundary=\"abc\""), "x"},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(types); i++) {
		char *base = test_replaced(usual, TYPE, types[i].type);

		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", base,
			    CM_REASON_ENCRYPTED, i);
		check_carriers(fixture, base, types[i].boundary, i);
		free(base);
	}
	free(usual);
}

/* RFC 2045 4: to some readers such a message is plain text. */
static void without_a_mime_version_no_text_passes(void **state)
{
	struct fixture *fixture = *state;
	char *usual = test_usual_message();
	char *base = test_replaced(usual, "MIME-Version: 1.0\n", "");

	test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", base,
		    CM_REASON_ENCRYPTED, 0);
	check_carriers(fixture, base, "x", 0);
	free(base);
	free(usual);
}

/* What readers that look for the boundary within a line, too, would show. */
#define HIDDEN "--abc\nContent-Type: text/plain\n\nHello Bob\n"

static void a_boundary_within_a_line_is_refused(void **state)
{
	static const struct {
		enum cm_direction direction;
		const char *old, *new;
	} changes[] = {
	    {CM_DIRECTION_IN, PART1, "x" HIDDEN PART1},
	    {CM_DIRECTION_IN, PART1, " " HIDDEN PART1},
	    {CM_DIRECTION_IN, PART1, "x--abc--\n" PART1},
	    {CM_DIRECTION_IN, LAST, LAST "x" HIDDEN},
	    {CM_DIRECTION_IN, BEGIN, BEGIN "Comment: x--abc\nContent-Type: text/plain\n"},
	    {CM_DIRECTION_OUT, BEGIN, BEGIN "Comment: x--abc\nContent-Type: text/plain\n"},
	    {CM_DIRECTION_IN, DESC2, "Content-Description: x--abc\n"},
	    {CM_DIRECTION_IN, DESC2, "Content-Description:\n --abc\n"},
	    {CM_DIRECTION_IN, "\n=", "\n=A--abc\n="},
	    {CM_DIRECTION_OUT, "\n=", "\n=A--abc\n="},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(changes); i++) {
		char *text = test_replaced(usual, changes[i].old, changes[i].new);

		test_expect(fixture->policy, changes[i].direction, "<carol@relay.test>", text,
			    CM_REASON_MIME_STRUCTURE, i);
		free(text);
	}
	free(usual);
}

/* What follows is text to readers that want the boundary without it. */
static void white_space_after_the_boundary_of_a_request_is_refused(void **state)
{
	static const struct change changes[] = {
	    {BOTH, CM_REASON_SECURE_JOIN, "", ""},
	    {IN, CM_REASON_SECURE_JOIN, "--abc--\n", "--abc--\nHello Bob\n"},
	    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n", "--abc-- \nHello Bob\n"},
	    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n", "--abc--\t\n"},
	    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc\n", "--abc \n"},
	};

	test_check_table(*state, SECURE_JOIN, changes, COUNT(changes));
}

/* At the end of a line, where a reader that ends lines at a CR sees an empty one. */
static void a_bare_cr_before_a_folded_line_is_refused(void **state)
{
	static const char *const changes[][2] = {
	    {TYPE1, "Content-Type:\r\r\n application/pgp-encrypted\r\n"},
	    {TYPE2, "Content-Type:\r\r\n application/octet-stream\r\n"},
	    {DESC2, "Content-Description: OpenPGP encrypted\r\r\n message\r\n"},
	    {DESC2, "\rContent-Description: OpenPGP encrypted message\r\n"},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(changes); i++) {
		char *text = test_replaced(usual, changes[i][0], changes[i][1]);

		for (int direction = CM_DIRECTION_OUT; direction <= CM_DIRECTION_IN; direction++) {
			struct cm_verdict verdict = test_judge_bytes(
			    fixture->policy, (enum cm_direction)direction, ALICE,
			    "<carol@relay.test>", text, strlen(text), strlen(text));

			assert_int_equal(verdict.reason, CM_REASON_AMBIGUOUS_HEADER);
		}
		free(text);
	}
	free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(another_boundary_shows_no_text),
	    cmocka_unit_test(without_a_mime_version_no_text_passes),
	    cmocka_unit_test(a_boundary_within_a_line_is_refused),
	    cmocka_unit_test(white_space_after_the_boundary_of_a_request_is_refused),
	    cmocka_unit_test(a_bare_cr_before_a_folded_line_is_refused),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
