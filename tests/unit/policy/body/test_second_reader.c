/*
 * test_second_reader - a message that GMime reads differently does not pass
 *
 * Whole messages hardly show this, because our own readers are stricter; so each reader gets
 * another text here.
 */
#include "support.h"

#include "address.h"
#include "messages.h"
#include "pgp_mime.h"
#include "second_reader.h"

/* The result of our readers for READ. */
#define READ READ_WITH("abc")
#define READ_WITH(boundary)                                                                        \
	"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"             \
	"\tboundary=\"" boundary "\"\n\n" PARTS_WITH(boundary) "--" boundary "--\n"
#define PARTS PARTS_WITH("abc")
#define PARTS_WITH(boundary)                                                                       \
	"--" boundary "\nContent-Type: application/pgp-encrypted\n\n"                              \
	"--" boundary "\nContent-Type: application/octet-stream\n" ENCODING "\n"
#define ENCODING "Content-Transfer-Encoding: base64\n"

static bool agrees(const char *skeleton_text, bool strict, struct cm_finding *finding)
{
	struct cm_skeleton skeleton;
	struct cm_pgp_mime pgp;
	struct cm_mime mime;
	bool same;

	*finding = (struct cm_finding){0};
	cm_skeleton_init(&skeleton);
	cm_pgp_mime_init(&pgp, strict, finding);
	cm_mime_init(&mime, &cm_pgp_mime_format, &pgp, "abc", strict, &skeleton, finding);
	strcpy(mime.part[0].type, "application/pgp-encrypted");
	strcpy(mime.part[1].type, "application/octet-stream");
	mime.part[1].encoding = CM_TRANSFER_BASE64;
	assert_true(cm_skeleton_line(&skeleton, skeleton_text, strlen(skeleton_text), finding));
	same = cm_second_reader_structure(&skeleton, &mime, "multipart/encrypted",
					  "application/pgp-encrypted", finding);
	cm_skeleton_free(&skeleton);
	return same;
}

static void another_structure_is_refused(void **state)
{
	static const struct {
		const char *old, *new;
	} changes[] = {
	    {"boundary=\"abc\"", "boundary=\"abd\""},
	    {"boundary=\"abc\"", "boundary=\"ab\""},
	    {"boundary=\"abc\"", "boundaries=\"abc\""},
	    {"multipart/encrypted", "multipart/mixed"},
	    {"multipart/encrypted", "text/plain"},
	    {"protocol=\"application/pgp-encrypted\"", "protocol=\"application/pkcs7-mime\""},
	    {" protocol=\"application/pgp-encrypted\";", ""},
	    {"Content-Type: application/pgp-encrypted", "Content-Type: text/plain"},
	    {"Content-Type: application/octet-stream", "Content-Type: text/plain"},
	    {"Content-Type: application/octet-stream", "Content-Type: multipart/mixed"},
	    {"Content-Type: application/octet-stream", "Content-Type: message/rfc822"},
	    {ENCODING, ""},
	    {ENCODING, "Content-Transfer-Encoding: quoted-printable\n"},
	    {ENCODING, "Content-Transfer-Encoding: x-uuencode\n"},
	    {PARTS, PARTS PARTS},
	    {PARTS, "--abc\nContent-Type: application/pgp-encrypted\n\n"},
	    {PARTS, ""},
	    {READ, READ_WITH("abd")},
	    {READ, ""},
	};
	struct cm_finding finding;

	(void)state;
	assert_true(agrees(READ, true, &finding));
	assert_true(agrees(READ, false, &finding));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char *text = test_replaced(READ, changes[i].old, changes[i].new);

		for (int strict = 0; strict < 2; strict++) {
			if (agrees(text, strict, &finding))
				fail_msg("%s", text);
			assert_int_equal(finding.reason, CM_REASON_MIME_STRUCTURE);
			assert_non_null(finding.why);
		}
		free(text);
	}
}

static void text_around_the_parts_passes_only_in_incoming_mail(void **state)
{
	static const struct {
		const char *old, *new;
	} changes[] = {
	    {PARTS, "-- Hello Bob\n" PARTS},
	    {"--abc--\n", "--abc--\n-- \nHello Bob\n"},
	};
	struct cm_finding finding;

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char *text = test_replaced(READ, changes[i].old, changes[i].new);

		assert_true(agrees(text, false, &finding));
		assert_false(agrees(text, true, &finding));
		free(text);
	}
}

static void another_address_is_refused(void **state)
{
	static const struct {
		const char *value;
		bool same;
		const char *address;
	} cases[] = {
	    {"alice@relay.test", true, "alice@relay.test"},
	    {" Alice <ALICE@relay.test>", true, "alice@relay.test"},
	    {"alice@relay.test <alice@relay.test>", true, "alice@relay.test"},
	    {"\"alice\"@relay.test", true, "alice@relay.test"},
	    {"\"A,\n B\" <alice@relay.test>", true, "alice@relay.test"},
	    {"a..b.@[192.0.2.1]", true, "a..b.@[192.0.2.1]"},
	    {"\"A\" <A..B.@[192.0.2.1]>", true, "a..b.@[192.0.2.1]"},
	    {"\"a..b.\"@[192.0.2.1]", true, "a..b.@[192.0.2.1]"},
	    {"a..b@[192.0.2.1]", false, "a..b.@[192.0.2.1]"},
	    {"a..b@[192.0.2.1], c@d.test", false, "a..b@[192.0.2.1]"},
	    {"a@xn--mller-kva.test", true, "a@xn--mller-kva.test"},
	    {"A <a@XN--MLLER-KVA.test>", true, "a@xn--mller-kva.test"},
	    {"a@mller-kva.test", false, "a@xn--mller-kva.test"},
	    {"a@m\xc3\xbcller.test", true, "a@m\xc3\xbcller.test"},
	    {"bob@relay.test", false, "alice@relay.test"},
	    {"Alice <bob@relay.test>", false, "alice@relay.test"},
	    {"alice@relay.test, bob@relay.test", false, "alice@relay.test"},
	    {"bob@relay.test, alice@relay.test", false, "alice@relay.test"},
	    {"Alice: alice@relay.test;", false, "alice@relay.test"},
	    {"Alice", false, "alice@relay.test"},
	    {"", false, "alice@relay.test"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].address != NULL ? cases[i].address : "alice@relay.test";
		struct cm_address address;

		assert_true(cm_address_parse(text, strlen(text), &address));
		if (cm_second_reader_from(cases[i].value, &address) != cases[i].same)
			fail_msg("%s", cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(another_structure_is_refused),
	    cmocka_unit_test(text_around_the_parts_passes_only_in_incoming_mail),
	    cmocka_unit_test(another_address_is_refused),
	};

	cm_second_reader_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
