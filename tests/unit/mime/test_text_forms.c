/*
 * test_text_forms - From and Content-Type values, transfer encodings, base64, lines
 *
 * What the readers make of single values; test_policy_content shows what follows for a message.
 */
#include "support.h"

#include "base64.h"
#include "from_header.h"
#include "lines.h"
#include "mime_value.h"
#include "transfer.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void from_gives_its_one_address(void **state)
{
	static const struct {
		const char *value;
		const char *address; /* NULL: none */
	} cases[] = {
	    {"alice@relay.test", "alice@relay.test"},
	    {" \t<Alice@Relay.TEST> ", "alice@relay.test"},
	    {"Alice <alice@relay.test>", "alice@relay.test"},
	    {"Alice B. Carol <alice@relay.test>", "alice@relay.test"},
	    {"\"a@b.test\" <alice@relay.test>", "alice@relay.test"},
	    {"\"a \\\" <b@c.test>\" <alice@relay.test>", "alice@relay.test"},
	    {"\r\n\t\"A\"\n <alice@relay.test>\r\n ", "alice@relay.test"},
	    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
	    {"<a@[IPv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]"},
	    {"a@[IPv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
	    {"(x)alice@relay.test(y(z))", "alice@relay.test"},
	    {"A (x) B <alice@relay.test> (\\))", "alice@relay.test"},
	    {"(a.b - c/d!) alice@relay.test", "alice@relay.test"},
	    {"\xc3\x84 <alice@relay.test>", "alice@relay.test"},
	    {"\"A,\n B\" <alice@relay.test>", "alice@relay.test"},
	    {"\"A,\r\n\tB\r\n \" <alice@relay.test>", "alice@relay.test"},
	    {"\"\n A\\\"\" <alice@relay.test>", "alice@relay.test"},
	    {"alice@relay.test <Alice@relay.test>", "alice@relay.test"},
	    {"alice@relay.test\n <alice@relay.test>", "alice@relay.test"},
	    {"\"alice\"@relay.test <alice@relay.test>", "alice@relay.test"},
	    {"a..b.@[192.0.2.1]", "a..b.@[192.0.2.1]"},
	    {".a <..b@c.test>", "..b@c.test"},
	    {"\"a..b\"@[192.0.2.1]", "a..b@[192.0.2.1]"},
	    {"A <\"a..b\"@[192.0.2.1]>", "a..b@[192.0.2.1]"},
	    {"a@xn--mller-kva.test", "a@xn--mller-kva.test"},
	    {"", NULL},
	    {" ", NULL},
	    {"<>", NULL},
	    {"Alice", NULL},
	    {"Alice <>", NULL},
	    {"alice@relay.test, b@c.test", NULL},
	    {"a@b.test <alice@relay.test>", NULL},
	    {"alice@relay.test <alice@relay.test> <alice@relay.test>", NULL},
	    {"alice@relay.test (x) <b@c.test>", NULL},
	    {"alice@relay.test alice@relay.test", NULL},
	    {"\"a b\"@c.test", NULL},
	    {"\"a@b\"@c.test", NULL},
	    {"\"a..b\n\"@c.test", NULL},
	    {"\"A\n\n B\" <alice@relay.test>", NULL},
	    {"\"A\n \n B\" <alice@relay.test>", NULL},
	    {"\"A\r B\" <alice@relay.test>", NULL},
	    {"A: alice@relay.test;", NULL},
	    {"A: B <alice@relay.test>;", NULL},
	    {"\"A\" alice@relay.test", NULL},
	    {"alice@relay.test \"A\"", NULL},
	    {"<alice@relay.test>x", NULL},
	    {"<alice@relay.test>;", NULL},
	    {"<alice(x)@relay.test>", NULL},
	    {"alice(x)@relay.test", NULL},
	    {"[192.0.2.1] <alice@relay.test>", NULL},
	    {"A\nB <alice@relay.test>", NULL},
	    {"A\rB <alice@relay.test>", NULL},
	    {"\"A\nB\" <alice@relay.test>", NULL},
	    {"A\\B <alice@relay.test>", NULL},
	    {"\"A\" <alice@relay.test> \"B\"", NULL},
	    {"\"A <alice@relay.test>", NULL},
	    {"\"A\\", NULL},
	    {"(A <alice@relay.test>", NULL},
	    /* for who does not know comments */
	    {"(<a@b.test>, ) alice@relay.test", NULL},
	    {"(a@b.test) alice@relay.test", NULL},
	    {"(a, b) alice@relay.test", NULL},
	    {"(a: b) alice@relay.test", NULL},
	    {"alice@relay.test (;)", NULL},
	    {"alice@relay.test (<)", NULL},
	    {"A (x (y>)) <alice@relay.test>", NULL},
	    {"A (\") <alice@relay.test> (\")", NULL},
	    {"(A\\", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cm_address address;
		const char *why = cm_from_parse(cases[i].value, &address);

		if (cases[i].address == NULL
			? why == NULL
			: why != NULL || strcmp(address.text, cases[i].address) != 0)
			fail_msg("%s: %s", cases[i].value, why != NULL ? why : address.text);
	}
}

static void a_long_from_is_refused(void **state)
{
	char value[CM_FROM_MAX + 2];
	struct cm_address address;

	(void)state;
	memset(value, ' ', sizeof(value));
	memcpy(value, "a@b.test", 8);
	value[CM_FROM_MAX] = '\0';
	assert_null(cm_from_parse(value, &address));
	value[CM_FROM_MAX] = ' ';
	value[CM_FROM_MAX + 1] = '\0';
	assert_non_null(cm_from_parse(value, &address));
}

static void mime_values_are_taken_apart(void **state)
{
	struct cm_mime_value value;

	(void)state;
	assert_null(cm_mime_value_parse(
	    " Multipart/Mixed ;\r\n\tBoundary = \"a b\";\n Charset=UTF-8;", true, true, &value));
	assert_string_equal(value.value, "multipart/mixed");
	assert_int_equal(value.parameter_count, 2);
	assert_string_equal(cm_mime_value_parameter(&value, "boundary"), "a b");
	assert_string_equal(cm_mime_value_parameter(&value, "charset"), "UTF-8");
	assert_null(cm_mime_value_parameter(&value, "name"));

	assert_null(cm_mime_value_parse("inline", false, true, &value));
	assert_string_equal(value.value, "inline");
	assert_non_null(cm_mime_value_parse("a/b", false, true, &value));
	assert_non_null(cm_mime_value_parse("inline", true, true, &value));

	assert_null(cm_mime_value_parse("(c)a/b(c);(c)d(c)=(c)\"e\\\"f\"(c)", true, false, &value));
	assert_string_equal(cm_mime_value_parameter(&value, "d"), "e\"f");
	assert_true(value.unusual);
	assert_non_null(cm_mime_value_parse("(c)a/b", true, true, &value));
	assert_non_null(cm_mime_value_parse("a/b; c=\"d\\\"e\"", true, true, &value));
}

static void what_readers_take_differently_is_noted(void **state)
{
	static const char *const unusual[] = {
	    "(c)a/b",     "a/b(c)",      "a/b;(c)c=d",    "a/b;c(c)=d",    "a/b;c=(c)d",
	    "a/b;c=d(c)", "a/b;c=d;(c)", "a/b;c=\"\\d\"", "a/b;c=\"=?x\"", "a/b;c=\"d; e=f\""};
	static const char *const usual[] = {"a/b", "a/b ;\n c = \"(d)\";;e=\"f?= g\"; "};
	struct cm_mime_value value;

	(void)state;
	for (size_t i = 0; i < COUNT(unusual); i++) {
		assert_null(cm_mime_value_parse(unusual[i], true, false, &value));
		assert_true(value.unusual);
	}
	for (size_t i = 0; i < COUNT(usual); i++) {
		assert_null(cm_mime_value_parse(usual[i], true, false, &value));
		assert_false(value.unusual);
	}
}

static void only_whole_encoded_words_are_refused(void **state)
{
	static const char *const words[] = {"a/b;c=\"=?utf-8?q?d?=\"", "a/b;c=\"d =?x?=e\"",
					    "a/b;c=\"=?\?=\""};
	/* The last has every character that a boundary may have, in RFC 2046's order. */
	static const char *const others[] = {"a/b;c=\"=?\"", "a/b;c=\"?==?\"", "a/b;c=\"=?=\"",
					     "a/b;c=\"'()+_,-./:=?\""};
	struct cm_mime_value value;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++)
		assert_non_null(cm_mime_value_parse(words[i], true, true, &value));
	for (size_t i = 0; i < COUNT(others); i++)
		assert_null(cm_mime_value_parse(others[i], true, true, &value));
}

static void long_mime_values_are_refused_not_cut(void **state)
{
	char text[2 * CM_MIME_TEXT_MAX];
	char many[] = "a/b; a=1; b=1; c=1; d=1; e=1; f=1; g=1; h=1; i=1";
	struct cm_mime_value value;

	(void)state;
	for (size_t length = 1; length < 300; length++) {
		snprintf(text, sizeof(text), "a/%0*d", (int)length, 1);
		assert_int_equal(cm_mime_value_parse(text, true, true, &value) == NULL,
				 length <= CM_MIME_NAME_MAX);
		snprintf(text, sizeof(text), "a/b; %0*d=1", (int)length, 1);
		assert_int_equal(cm_mime_value_parse(text, true, true, &value) == NULL,
				 length <= CM_MIME_NAME_MAX);
		snprintf(text, sizeof(text), "a/b; c=%0*d", (int)length, 1);
		assert_int_equal(cm_mime_value_parse(text, true, true, &value) == NULL,
				 length <= CM_MIME_TEXT_MAX);
		snprintf(text, sizeof(text), "a/b; c=\"%0*d\"", (int)length, 1);
		assert_int_equal(cm_mime_value_parse(text, true, true, &value) == NULL,
				 length <= CM_MIME_TEXT_MAX);
	}
	assert_non_null(cm_mime_value_parse(many, true, true, &value));
	many[strlen(many) - 5] = '\0';
	assert_null(cm_mime_value_parse(many, true, true, &value));
	assert_int_equal(value.parameter_count, CM_MIME_PARAMETERS_MAX);
}

static void boundaries_have_their_own_characters(void **state)
{
	static const char *const good[] = {"a", "'()+_,-./:=?", "a b",
					   ("0123456789012345678901234567890123456789"
					    "012345678901234567890123456789")};
	static const char *const bad[] = {"",
					  " ",
					  "a ",
					  "a\tb",
					  "a*b",
					  "a\"b",
					  "a;b",
					  "\xc3\xa4",
					  "a\nb",
					  ("0123456789012345678901234567890123456789"
					   "0123456789012345678901234567890")};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(cm_mime_boundary_valid(good[i], false));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(cm_mime_boundary_valid(bad[i], false));
	assert_false(cm_mime_boundary_valid("a b", true));
}

/* What a transfer encoding gave, lines ending in '|'. */
struct decoded {
	char text[4096];
	size_t length;
};

static bool collect(void *context, const char *line, size_t length)
{
	struct decoded *decoded = context;

	assert_true(decoded->length + length + 1 < sizeof(decoded->text));
	memcpy(decoded->text + decoded->length, line, length);
	decoded->length += length;
	decoded->text[decoded->length++] = '|';
	return true;
}

static bool decode(enum cm_transfer_encoding encoding, bool strict, const char *text,
		   struct decoded *decoded, struct cm_finding *finding)
{
	struct cm_transfer transfer;
	const char *end;

	*finding = (struct cm_finding){.why = NULL};
	decoded->length = 0;
	cm_transfer_init(&transfer, encoding, strict, collect, decoded, finding);
	for (; *text != '\0'; text = *end != '\0' ? end + 1 : end) {
		end = strchrnul(text, '\n');
		if (!cm_transfer_line(&transfer, text, (size_t)(end - text)))
			return false;
	}
	if (!cm_transfer_end(&transfer))
		return false;
	decoded->text[decoded->length] = '\0';
	return true;
}

static void transfer_encodings(void **state)
{
	static const struct {
		enum cm_transfer_encoding encoding;
		const char *text;
		const char *lines; /* NULL: refused */
		bool strict;       /* the same in strict mode */
	} cases[] = {
	    {CM_TRANSFER_IDENTITY, "a\n\nb =41\n", "a||b =41|", true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=41\nb\n", "aA|b|", true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=\nb=\n\nc", "ab|c|", true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=0D=0Ab\n", "a|b|", true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=20\n\tb\n", "a |\tb|", true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a \t\nb= \n\n", "a|b|", false},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=4\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=4\n1\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=4G\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=3d=3D\n", "a==|", false},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a==\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a\xc3\xa4\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a\001\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a\rb\n", NULL, true},
	    {CM_TRANSFER_QUOTED_PRINTABLE, "a=", NULL, true},
	    {CM_TRANSFER_BASE64, "YQ==\n", "a|", true},
	    {CM_TRANSFER_BASE64, "YWI=\n\n", "ab|", true},
	    {CM_TRANSFER_BASE64, "YWJj\nCmQK\n", "abc|d|", true},
	    {CM_TRANSFER_BASE64, "Y\nW\nJ\nj\n", "abc|", true},
	    {CM_TRANSFER_BASE64, "YQ\n==\n", "a|", true},
	    {CM_TRANSFER_BASE64, "YQ=\n=\n", "a|", true},
	    {CM_TRANSFER_BASE64, "YWJj \t\n", "abc|", false},
	    {CM_TRANSFER_BASE64, "", "", true},
	    {CM_TRANSFER_BASE64, "YQ\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YQ=\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YQ===\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YWI==\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YWJj=\n", NULL, true},
	    {CM_TRANSFER_BASE64, "Y===\n", NULL, true},
	    {CM_TRANSFER_BASE64, "====\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YR==\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YWJ=\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YQ==YQ==\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YQ==\nYQ==\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YW Jj\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YW-_\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YW\001j\n", NULL, true},
	    {CM_TRANSFER_BASE64, "YW\xc3\xa4\n", NULL, true},
	};
	struct decoded decoded;
	struct cm_finding finding;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool good = decode(cases[i].encoding, false, cases[i].text, &decoded, &finding);

		if (good != (cases[i].lines != NULL) ||
		    (good && strcmp(decoded.text, cases[i].lines) != 0))
			fail_msg("case %zu: %s", i, good ? decoded.text : finding.why);
		assert_int_equal(good, finding.why == NULL);
		good = decode(cases[i].encoding, true, cases[i].text, &decoded, &finding);
		if (good != (cases[i].lines != NULL && cases[i].strict))
			fail_msg("case %zu, strict: %s", i, good ? decoded.text : finding.why);
	}
}

/* A decoded line may be as long as a raw one, no longer. */
static void decoded_lines_are_bounded(void **state)
{
	struct decoded decoded;
	struct cm_finding finding;
	char text[4096], *at = text;

	(void)state;
	for (int i = 0; i < 13; i++)
		at += sprintf(at, "%076d=\n", 0);
	sprintf(at, "%010d\n", 0);
	assert_true(decode(CM_TRANSFER_QUOTED_PRINTABLE, true, text, &decoded, &finding));
	assert_int_equal(decoded.length, CM_LINE_MAX + 1);
	sprintf(at, "%011d\n", 0);
	assert_false(decode(CM_TRANSFER_QUOTED_PRINTABLE, true, text, &decoded, &finding));
	assert_int_equal(finding.reason, CM_REASON_MIME_BOUNDS);
}

static void unpadded_base64_ends_where_it_may(void **state)
{
	static const struct {
		const char *text;
		int length; /* -1: refused */
	} cases[] = {{"", 0},          {"YQ", 1},        {"YWI", 2},    {"YWJj", 3}, {"YQ==", 1},
		     {"Y", -1},        {"YR", -1},       {"YWJ", -1},   {"YQ=", -1}, {"YWJjY", -1},
		     {"YQ==YQ==", -1}, {"YWI=YWJj", -1}, {"YQ===", -1}, {"=", -1}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cm_base64 decoder;
		unsigned char out[CM_BASE64_ROOM(16)], rest[2];
		size_t length, rest_length;
		bool good;

		cm_base64_init(&decoder);
		good = cm_base64_decode(&decoder, cases[i].text, strlen(cases[i].text), out,
					&length) &&
		       cm_base64_end(&decoder, true, rest, &rest_length);
		assert_int_equal(good, cases[i].length >= 0);
		if (good)
			assert_int_equal(length + rest_length, cases[i].length);
	}
}

static void lines_end_at_lf_or_crlf(void **state)
{
	static const char text[] = "a\r\nb\n\r\n\nc\rd\r\r\ne";
	struct decoded decoded;
	struct cm_lines lines;

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		decoded.length = 0;
		cm_lines_init(&lines, collect, &decoded);
		for (size_t at = 0; at < strlen(text); at += piece) {
			size_t rest = strlen(text) - at;

			assert_true(cm_lines_write(&lines, text + at, rest < piece ? rest : piece));
		}
		assert_true(cm_lines_end(&lines));
		decoded.text[decoded.length] = '\0';
		assert_string_equal(decoded.text, "a|b|||c\rd\r|e|");
	}
}

static void lines_are_bounded(void **state)
{
	char text[CM_LINE_MAX + 4];
	struct decoded decoded;
	struct cm_lines lines;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece += 499) {
		for (size_t length = CM_LINE_MAX - 1; length <= CM_LINE_MAX + 1; length++) {
			bool good = true;

			memset(text, 'a', length);
			memcpy(text + length, "\r\n", 2);
			decoded.length = 0;
			cm_lines_init(&lines, collect, &decoded);
			for (size_t at = 0; good && at < length + 2; at += piece) {
				size_t rest = length + 2 - at;

				good =
				    cm_lines_write(&lines, text + at, rest < piece ? rest : piece);
			}
			assert_int_equal(good, length <= CM_LINE_MAX);
			assert_int_equal(lines.too_long, !good);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(from_gives_its_one_address),
	    cmocka_unit_test(a_long_from_is_refused),
	    cmocka_unit_test(mime_values_are_taken_apart),
	    cmocka_unit_test(what_readers_take_differently_is_noted),
	    cmocka_unit_test(only_whole_encoded_words_are_refused),
	    cmocka_unit_test(long_mime_values_are_refused_not_cut),
	    cmocka_unit_test(boundaries_have_their_own_characters),
	    cmocka_unit_test(transfer_encodings),
	    cmocka_unit_test(decoded_lines_are_bounded),
	    cmocka_unit_test(unpadded_base64_ends_where_it_may),
	    cmocka_unit_test(lines_end_at_lf_or_crlf),
	    cmocka_unit_test(lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
