/*
 * test_header_rewrite - the outgoing form of each field
 */
#include "support.h"

#include "header_rewrite.h"

/* Fields of current and old versions of Delta Chat stay unchanged. */
static const char *const kept[][2] = {
    {"From", " <alice@relay.test>"},
    {"To", " \"hidden-recipients\": ;"},
    {"To", " <bob@peer.test>"},
    {"To", " <bob@peer.test>, \r\n\t<carol@[192.0.2.1]>"},
    {"Date", " Wed, 25 Nov 2026 14:01:18 +0000"},
    {"Date", " Wed, 5 Nov 2026 14:01:18 +0000"},
    {"Message-ID", " <4a0c5c78-d04a-489a-8c76-4e687864360f@localhost>"},
    {"In-Reply-To", " <Mr.8c76.4e687864360f@relay.test>"},
    {"References", " <a@localhost>\r\n\t<b@localhost>"},
    {"Subject", " [...]"},
    {"Subject", " Autocrypt Setup Message"},
    {"MIME-Version", " 1.0"},
    {"mime-version", "1.0"},
    {"Content-Type",
     " multipart/encrypted; protocol=\"application/pgp-encrypted\"; \r\n\tboundary=\"18eb_5f\""},
    {"Content-Type", " multipart/mixed;\n boundary=\"18eb_5f\""},
    {"Content-Transfer-Encoding", " 7bit"},
    {"Auto-Submitted", " auto-generated"},
    {"Chat-Version", " 1.0"},
    {"Chat-Is-Post-Message", " 1"},
    {"Chat-Disposition-Notification-To", " <alice@relay.test>"},
    {"Ephemeral-Timer", " 3600"},
    {"Autocrypt-Setup-Message", " v1"},
    {"Secure-Join", " vc-request"},
    {"Secure-Join-Invitenumber", " _Sc9MxSMNddaj5YUXSpbT8vY"},
    {"Autocrypt",
     " addr=Alice@relay.test; prefer-encrypt=mutual;\n keydata=xjMEawbsBhYJKwYBBAHaRw8BAQdA\n "
     "Gg05zfMMHIrJmlNJEzQ="},
    {"Autocrypt",
     " addr=alice@relay.test; prefer-encrypt=mutual; keydata=mDMEawbsBhYJKwYBBAHaRw8BAQdA"},
};

/* The outgoing form; NULL: deleted. */
static const struct {
	const char *name, *value, *leaves;
} changed[] = {
    /* names, comments, groups */
    {"From", " Alice <alice@relay.test>", " <alice@relay.test>"},
    {"From", " \"Alice,\n <a@b> (x)\" <alice@relay.test>", " <alice@relay.test>"},
    {"From", " alice@relay.test (Alice)", " <alice@relay.test>"},
    {"From", " alice@relay.test <alice@relay.test>", " <alice@relay.test>"},
    {"From", " =?utf-8?q?Al=C3=AFce?= <alice@relay.test>", " <alice@relay.test>"},
    {"From",
     " Al\xc3\xaf"
     "ce <alice@relay.test>",
     " <alice@relay.test>"},
    {"Sender", " <noon@peer.test>", NULL},
    {"Sender", " <alice@relay.test>", NULL},
    {"To", " Bob <bob@peer.test>, \"C., Carol\" <carol@peer.test> (hi)",
     " <bob@peer.test>, <carol@peer.test>"},
    {"To", " friends: bob@peer.test, Carol <carol@peer.test>;, dave@peer.test",
     " <bob@peer.test>, <carol@peer.test>, <dave@peer.test>"},
    {"To", " undisclosed-recipients:;", " \"hidden-recipients\": ;"},
    {"To", " meet me at noon", " \"hidden-recipients\": ;"},
    {"To", "", " \"hidden-recipients\": ;"},
    {"To", " bob @ peer . test", " <bob@peer.test>"},
    {"To", " bob (the) @ (place) peer.test", " <bob@peer.test>"},
    {"To", " two words@peer.test, bob@peer.test", " <bob@peer.test>"},
    {"To", " <@a.test,@b.test:bob@peer.test>", " <bob@peer.test>"},
    {"To", " <bob@peer.test> carol@peer.test", " <bob@peer.test>"},
    {"To", " \"unclosed <bob@peer.test>", " \"hidden-recipients\": ;"},
    {"To", " bob@peer.test, (unclosed <carol@peer.test>", " <bob@peer.test>"},
    {"To", " <bob@peer.test>, <carol@peer.test", " <bob@peer.test>"},
    {"To", " <bob@peer.test>,, ,;:", " <bob@peer.test>"},
    {"To", " <carol=?utf-8?q?noon?=@peer.test>, <bob@peer.test>", " <bob@peer.test>"},
    {"To", " <=?utf-8?q?meet@peer.test>, <noon?=@peer.test>", " <noon?=@peer.test>"},
    {"To", " <\"=?utf-8?b?bm9vbg==?=\"@peer.test>", " \"hidden-recipients\": ;"},
    {"To", " <\"=\\?utf-8?q?noon?=\"@peer.test>, <bob@peer.test>", " <bob@peer.test>"},
    {"Reply-To", " <=?utf-8?q?noon?=@peer.test>", NULL},
    /* Unicode spaces and other text beyond ASCII */
    {"To",
     " <a@meet\xc2\xa0me\xc2\xa0"
     "at\xc2\xa0noon>, <bob@peer.test>",
     " <bob@peer.test>"},
    {"To", " <meet\xe3\x80\x80me@peer.test>", " \"hidden-recipients\": ;"},
    {"Cc",
     " <a@noon\xe2\x80\x83"
     "at.the.bridge>",
     NULL},
    {"Reply-To", " <\"meet\xc2\xa0me\"@peer.test>", NULL},
    {"Reply-To", " <a@noon\xe2\x80\xa8>", NULL},
    {"Cc", " Bob <Bob@Peer.test>", " <Bob@Peer.test>"},
    {"Cc", " friends: ;", NULL},
    {"Reply-To", " My list <list@peer.test>", " <list@peer.test>"},
    /* identifiers and dates */
    {"Message-ID", " <a@b> meet me at noon", " <a@b>"},
    {"Message-ID", " meet me at noon", NULL},
    {"Message-ID", " <meet me@noon>", NULL},
    {"Message-ID", " <=?utf-8?q?meet_me?=@noon>", NULL},
    {"References", " <=?utf-8?q?noon?=@b> <a@b>", " <a@b>"},
    {"Message-ID", " <@noon>", NULL},
    {"Message-ID", " <noon>", NULL},
    {"Message-ID", " <a@b> <c@d>", " <a@b>"},
    {"In-Reply-To", " your message of noon <a@b>", " <a@b>"},
    {"In-Reply-To", " <a <b> <a@b>", " <a@b>"},
    {"References", " <a@b>,<c@d>", " <a@b> <c@d>"},
    {"Date", " Wed, 25 Nov 2026 14:01 +0000 (Wednesday noon)", " Wed, 25 Nov 2026 14:01 +0000"},
    {"Date", " wed (at noon) , 25 nov 26 14:01:18 gmt", " Wed, 25 Nov 26 14:01:18 GMT"},
    {"Date", " 25 Nov 2026 14 : 01 EST (x)", " 25 Nov 2026 14:01 EST"},
    {"Date", " at noon", NULL},
    {"Date", " Wed, 25 Nov 2026 14:01:18 +0000 noon", NULL},
    {"Date", " Wed, 25 Nov 2026 14:01:18 noon", NULL},
    {"Date", " Wed, 25 Nov 2026 14:01:18 +00000", NULL},
    {"Date", "", NULL},
    /* text */
    {"Subject", " Meet me at noon", " [...]"},
    {"SUBJECT", " =?utf-8?q?Meet_me?=", " [...]"},
    {"Subject", " ...", " [...]"},
    {"Subject", "", " [...]"},
    {"Subject", " Autocrypt Setup Message at noon", " [...]"},
    {"Organization", " Noon Ltd.", NULL},
    {"Keywords", " noon", NULL},
    {"Comments", " noon", NULL},
    {"Resent-Subject", " noon", NULL},
    {"Resent-From", " Noon <a@b.test>", NULL},
    {"Thread-Topic", " noon", NULL},
    {"X-Anything", " noon", NULL},
    {"User-Agent", " noon", NULL},
    {"X-Mailer", " noon", NULL},
    {"Received", " from noon", NULL},
    {"List-Id", " Noon <noon.test>", NULL},
    {"DKIM-Signature", " v=1; i=noon", NULL},
    {"Chat-Group-Name", " noon", NULL},
    {"Chat-User-Avatar", " noon", NULL},
    {"Content-Disposition", " attachment; filename=noon", NULL},
    {"Content-Description", " noon", NULL},
    {"Content-ID", " <noon@noon>", NULL},
    /* fields that describe the body */
    {"MIME-Version", " 1.0 (noon)", " 1.0"},
    {"Content-Type",
     " Multipart/Encrypted; boundary=abc; name=\"Meet me at noon\"; "
     "protocol=application/pgp-encrypted",
     NULL},
    {"Content-Type",
     " Multipart/Encrypted; boundary=abc; charset=noon; protocol=\"application/pgp-encrypted\"",
     " multipart/encrypted; boundary=\"abc\";\n protocol=\"application/pgp-encrypted\""},
    {"Content-Type", " multipart/encrypted; protocol=noon; boundary=\"a b\"",
     " multipart/encrypted"},
    {"Content-Type", " multipart/mixed; boundary=\"abc\" (noon)", NULL},
    {"Content-Transfer-Encoding", " 7BIT", " 7bit"},
    {"Content-Transfer-Encoding", " 7bit (noon)", " 7bit"},
    {"Content-Transfer-Encoding", " noon", NULL},
    /* words and numbers */
    {"Auto-Submitted", " auto-replied; owner-email=\"noon\"", " auto-replied"},
    {"Auto-Submitted", " auto-noon", NULL},
    {"Chat-Version", " noon", NULL},
    {"Chat-Version", " 1.0.0.0.0", NULL},
    {"Chat-Is-Post-Message", " noon", NULL},
    {"Chat-Disposition-Notification-To", " Noon <alice@relay.test>", " <alice@relay.test>"},
    {"Chat-Disposition-Notification-To", " <alice@relay.test>, <noon@relay.test>",
     " <alice@relay.test>"},
    {"Chat-Disposition-Notification-To", " <noon@relay.test>", NULL},
    {"Ephemeral-Timer", " 12345678901", NULL},
    {"Ephemeral-Timer", " noon", NULL},
    {"Autocrypt-Setup-Message", " v1 noon", NULL},
    {"Secure-Join", " noon", NULL},
    {"Secure-Join", " VC-Request", " vc-request"},
    {"Secure-Join-Invitenumber", " at noon", NULL},
    {"Secure-Join-Group", " at.noon", NULL},
    {"Secure-Join-Fingerprint", " at noon", NULL},
    {"Autocrypt", " addr=alice@relay.test; _note=noon; keydata=xjMEawbsBhYJ",
     " addr=alice@relay.test; keydata=xjMEawbsBhYJ"},
    {"Autocrypt", " addr=alice@relay.test; note=noon; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr=Noon <alice@relay.test>; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr=alice@relay.test; addr=carol@relay.test; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr==?utf-8?q?noon?=@b.test; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr=a@meet\xc2\xa0me.test; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr=alice@relay.test; prefer-encrypt=noon; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", " addr=alice@relay.test; keydata=TWVldCBtZSBh", NULL},
    {"Autocrypt", " addr=alice@relay.test; keydata=xjME*wbsBhYJ", NULL},
    {"Autocrypt", " addr=alice@relay.test; keydata=xj", NULL},
    {"Autocrypt", " addr=alice@relay.test", NULL},
    {"Autocrypt", " keydata=xjMEawbsBhYJ", NULL},
    /* Only the sender's own address leaves: receivers ignore another one (Autocrypt 1.1 2.2). */
    {"Autocrypt", " addr=noon@relay.test; keydata=xjMEawbsBhYJ", NULL},
    {"Autocrypt", "", NULL},
};

static const struct cm_address alice = {.text = "alice@relay.test", .local_length = 5};

static void expect(size_t number, const char *name, const char *value, const char *leaves)
{
	struct cm_header_rewrite rewrite;
	const struct cm_rewritten_field *field;

	cm_header_rewrite_init(&rewrite, &alice);
	assert_true(cm_header_rewrite_add(&rewrite, name, value));
	field = &rewrite.field[0];
	if ((field->value == NULL) != (leaves == NULL) ||
	    (leaves != NULL && strcmp(field->value, leaves) != 0) ||
	    field->changed != (leaves != value))
		fail_msg("number %zu, \"%s:%s\": \"%s\"", number, name, value,
			 field->value != NULL ? field->value : "(deleted)");
	assert_string_equal(field->name, name);
	cm_header_rewrite_free(&rewrite);
}

static void test_delta_chats_fields_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		expect(i, kept[i][0], kept[i][1], kept[i][1]);
}

static void test_no_text_leaves(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
		expect(i, changed[i].name, changed[i].value, changed[i].leaves);
}

/* Only the first field of a name leaves; the mail server counts names case-insensitively. */
static void test_fields_are_counted_by_name(void **state)
{
	static const struct {
		const char *name;
		unsigned int index;
		bool leaves;
	} fields[] = {
	    {"To", 1, true},    {"X-To", 1, false}, {"TO", 2, false},
	    {"Date", 1, false}, {"date", 2, false}, {"to", 3, false},
	};
	struct cm_header_rewrite rewrite;

	(void)state;
	cm_header_rewrite_init(&rewrite, &alice);
	for (size_t i = 0; i < 6; i++) {
		assert_true(cm_header_rewrite_add(&rewrite, fields[i].name, " <bob@peer.test>"));
		assert_int_equal(rewrite.count, i + 1);
		assert_int_equal(rewrite.field[i].index, fields[i].index);
		assert_int_equal(rewrite.field[i].value != NULL, fields[i].leaves);
	}
	cm_header_rewrite_free(&rewrite);
	assert_int_equal(rewrite.count, 0);
}

/* RFC 5322 2.1.1. */
static void expect_folded(const char *name, const char *value)
{
	struct cm_header_rewrite rewrite;

	cm_header_rewrite_init(&rewrite, &alice);
	assert_true(cm_header_rewrite_add(&rewrite, name, value));
	assert_true(rewrite.field[0].changed);
	assert_non_null(rewrite.field[0].value);
	for (const char *line = rewrite.field[0].value; *line != '\0';) {
		size_t length = strcspn(line, "\n");

		assert_true(length <= 998);
		line += length + (line[length] != '\0');
	}
	cm_header_rewrite_free(&rewrite);
}

static void test_long_lines_are_folded(void **state)
{
	char value[2000] = "";

	(void)state;
	for (size_t i = 0; i < 60; i++)
		strcat(value, i == 0 ? " <bob@peer.test>" : ", <bob@peer.test>");
	expect_folded("To", value);
	value[0] = '\0';
	for (size_t i = 0; i < 90; i++)
		strcat(value, " <bob@peer.test>");
	expect_folded("References", value);
	strcpy(value, " addr=alice@relay.test; keydata=xjME");
	for (size_t i = 0; i < 1400; i++)
		strcat(value, "A");
	expect_folded("Autocrypt", value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_delta_chats_fields_stay),
	    cmocka_unit_test(test_no_text_leaves),
	    cmocka_unit_test(test_fields_are_counted_by_name),
	    cmocka_unit_test(test_long_lines_are_folded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
