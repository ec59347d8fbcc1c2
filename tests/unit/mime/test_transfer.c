/*
 * test_transfer - transfer encodings
 */
#include "support.h"

#include "decoded.h"
#include "transfer.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool decode(enum cm_transfer_encoding encoding, bool strict, const char *text,
		   struct decoded *decoded, struct cm_finding *finding)
{
	struct cm_transfer transfer;
	const char *end;

	*finding = (struct cm_finding){.why = NULL};
	decoded->length = 0;
	cm_transfer_init(&transfer, encoding, strict, decoded_add, decoded, finding);
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

/* A decoded line may be as long as a raw one, and no longer. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(transfer_encodings),
	    cmocka_unit_test(decoded_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
