/*
 * test_usual_form - GMime agrees with us about messages that pass without it
 */
#include "support.h"

#include "from_header.h"
#include "messages.h"
#include "pgp_mime.h"
#include "second_reader.h"
#include "usual_form.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define BOUNDARY     "OIsSQdQ5_=.-z"

/* Skeletons of Delta Chat's versions, Thunderbird and others. */
static const char *const usual[] = {
    "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"
    "\tboundary=\"" BOUNDARY "\"\n\n"
    "--" BOUNDARY "\nContent-Type: application/pgp-encrypted; charset=\"utf-8\"\n"
    "Content-Transfer-Encoding: 7bit\n\n"
    "--" BOUNDARY "\nContent-Type: application/octet-stream; name=\"encrypted.asc\";\n"
    "\tcharset=\"utf-8\"\nContent-Transfer-Encoding: 7bit\n\n"
    "-----BEGIN PGP MESSAGE-----\n-----END PGP MESSAGE-----\n"
    "--" BOUNDARY "--\n",
    "Content-Type:multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n"
    " boundary=\"" BOUNDARY "\"\nContent-Transfer-Encoding:7bit\n\n"
    "--" BOUNDARY "\nContent-Type: application/pgp-encrypted\n\n"
    "--" BOUNDARY "\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\n\n"
    "-----BEGIN PGP MESSAGE-----\n-----END PGP MESSAGE-----\n"
    "--" BOUNDARY "--\n",
};

/* The result of our own readers for all of these. */
static void set_up(struct cm_mime *mime, struct cm_pgp_mime *pgp, struct cm_finding *finding)
{
	*finding = (struct cm_finding){0};
	cm_pgp_mime_init(pgp, true, finding);
	cm_mime_init(mime, &cm_pgp_mime_format, pgp, BOUNDARY, true, NULL, finding);
	strcpy(mime->part[0].type, "application/pgp-encrypted");
	strcpy(mime->part[1].type, "application/octet-stream");
}

/* True if the text is of the usual form; fails if GMime reads it differently. */
static bool is_usual(char *text, size_t length)
{
	struct cm_skeleton skeleton = {.text = text, .length = length, .size = length};
	struct cm_finding finding;
	struct cm_pgp_mime pgp;
	struct cm_mime mime;

	set_up(&mime, &pgp, &finding);
	if (!cm_usual_structure(&skeleton, &mime))
		return false;
	if (!cm_second_reader_structure(&skeleton, &mime, "multipart/encrypted",
					"application/pgp-encrypted", &finding))
		fail_msg("GMime reads it otherwise:\n%s", text);
	return true;
}

static void usual_messages_are_recognized(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(usual); i++) {
		char *text = strdup(usual[i]);

		assert_true(is_usual(text, strlen(text)));
		free(text);
	}
}

static void gmime_reads_every_other_structure(void **state)
{
	static const struct {
		const char *old, *new;
	} changes[] = {
	    {"multipart/encrypted", "multipart/mixed"},
	    {"protocol=\"application/pgp-encrypted\"", "protocol=application/pgp-encrypted"},
	    {"\"application/pgp-encrypted\";", "\"application/pgp-encrypted\"; x=y;"},
	    {"boundary=\"" BOUNDARY, "boundary=\"" BOUNDARY "x"},
	    {"\tboundary", "\t(comment) boundary"},
	    {"\n\n--", "\nX: y\n\n--"},
	    {"\n\n--", "\n\n-- preamble\n--"},
	    {"Content-Type: application/pgp-encrypted", "Content-Type: text/plain"},
	    {"name=\"encrypted.asc\"", "name=\"other.asc\""},
	    {"name=\"encrypted.asc\"", "name*=\"encrypted.asc\""},
	    {"Content-Transfer-Encoding: 7bit\n\n--", "Content-Transfer-Encoding: base64\n\n--"},
	    {"-----END PGP MESSAGE-----\n", ""},
	    {"-----END PGP MESSAGE-----\n", "-----END PGP MESSAGE-----\n-\n"},
	    {BOUNDARY "--\n", BOUNDARY "--\n-- \n"},
	    {BOUNDARY "--\n", BOUNDARY "--"},
	    {BOUNDARY "--\n", BOUNDARY "\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		char *text = test_replaced(usual[0], changes[i].old, changes[i].new);

		if (is_usual(text, strlen(text)))
			fail_msg("%s", text);
		free(text);
	}
}

/* The caller frees it. */
static char *with_boundary(const char *boundary)
{
	char *text = strdup(usual[0]);

	while (text != NULL && strstr(text, BOUNDARY) != NULL) {
		char *replaced = test_replaced(text, BOUNDARY, boundary);

		free(text);
		text = replaced;
	}
	assert_non_null(text);
	return text;
}

static void gmime_reads_a_boundary_with_a_meaning(void **state)
{
	static const char *const boundaries[] = {
	    "a b", "a?b", "a*b", "a'b", "a%b", "-a", "--", "a\\b", "a(b)", "a/b", "",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(boundaries); i++) {
		struct cm_skeleton skeleton = {.text = with_boundary(boundaries[i])};
		struct cm_finding finding;
		struct cm_pgp_mime pgp;
		struct cm_mime mime;

		set_up(&mime, &pgp, &finding);
		strcpy(mime.boundary + 2, boundaries[i]);
		mime.boundary_length = strlen(mime.boundary);
		skeleton.length = strlen(skeleton.text);
		if (cm_usual_structure(&skeleton, &mime))
			fail_msg("%s", skeleton.text);
		free(skeleton.text);
	}
}

/* Each byte is replaced by every other, and every byte is inserted everywhere. */
static void gmime_agrees_with_every_mutant(void **state)
{
	size_t passed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(usual); i++) {
		size_t length = strlen(usual[i]);
		char *text = calloc(1, length + 2);

		assert_non_null(text);
		for (size_t at = 0; at < length; at++) {
			for (int byte = 0; byte < 256; byte++) {
				memcpy(text, usual[i], length + 1);
				text[at] = (char)byte;
				passed += is_usual(text, length);
				memcpy(text + at + 1, usual[i] + at, length - at + 1);
				passed += is_usual(text, length + 1);
			}
		}
		free(text);
	}
	/* Besides the texts themselves, few mutants pass: those with a space for a tab, or
	   without one. */
	assert_in_range(passed, 2 * strlen(usual[1]), 4 * strlen(usual[0]));
}

static bool is_usual_from(const char *value)
{
	struct cm_address address;

	if (cm_from_parse(value, &address) != NULL || !cm_usual_from(value, &address))
		return false;
	if (!cm_second_reader_from(value, &address))
		fail_msg("GMime reads it otherwise: %s", value);
	return true;
}

static void usual_froms_are_recognized(void **state)
{
	static const struct {
		const char *value;
		bool usual;
	} cases[] = {
	    {"<alice@relay.test>", true},      {" <alice@relay.test>", true},
	    {"alice@relay.test", true},        {"<Al.i-c_e@sub.relay.test>", true},
	    {"<alice@_relay.test>", true},     {"Alice <alice@relay.test>", false},
	    {"<alice@relay.test> ", false},    {"<alice@relay.test> (x)", false},
	    {"<a+b@relay.test>", false},       {"<a..b@relay.test>", false},
	    {"<.a@relay.test>", false},        {"<a.@relay.test>", false},
	    {"<a@xn--mller-kva.test>", false}, {"<a@sub.XN--mller-kva.test>", false},
	    {"<a@m\xc3\xbcller.test>", false}, {"<a@[192.0.2.1]>", false},
	    {"<\"alice\"@relay.test>", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (is_usual_from(cases[i].value) != cases[i].usual)
			fail_msg("%s", cases[i].value);
	}
}

static void gmime_agrees_with_every_mutant_of_from(void **state)
{
	static const char from[] = " <al.ice@relay-1.test>";
	size_t passed = 0;

	(void)state;
	for (size_t at = 0; at < sizeof(from) - 1; at++) {
		for (int byte = 1; byte < 256; byte++) {
			char text[sizeof(from) + 1] = {0};

			memcpy(text, from, sizeof(from));
			text[at] = (char)byte;
			passed += is_usual_from(text);
			memcpy(text + at + 1, from + at, sizeof(from) - at);
			passed += is_usual_from(text);
		}
	}
	assert_true(passed > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(usual_messages_are_recognized),
	    cmocka_unit_test(gmime_reads_every_other_structure),
	    cmocka_unit_test(gmime_reads_a_boundary_with_a_meaning),
	    cmocka_unit_test(gmime_agrees_with_every_mutant),
	    cmocka_unit_test(usual_froms_are_recognized),
	    cmocka_unit_test(gmime_agrees_with_every_mutant_of_from),
	};

	cm_second_reader_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
