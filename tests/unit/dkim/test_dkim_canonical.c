/*
 * test_dkim_canonical - "simple" and "relaxed", against the text that they must hash
 *
 * Each text is hashed in pieces of every size, so that no state is lost between them.
 */
#include "support.h"

#include <openssl/evp.h>

#include "dkim_canonical.h"

static void digest_of(const char *text, size_t length, unsigned char digest_r[CM_DKIM_HASH_SIZE])
{
	assert_int_equal(EVP_Digest(text, length, digest_r, NULL, EVP_sha256(), NULL), 1);
}

static void assert_body(bool relaxed, const char *text, const char *expected)
{
	unsigned char wanted[CM_DKIM_HASH_SIZE], got[CM_DKIM_HASH_SIZE];
	size_t length = strlen(text);
	struct cm_dkim_body body;

	digest_of(expected, strlen(expected), wanted);
	for (size_t piece = 1; piece <= length + 1; piece++) {
		assert_true(cm_dkim_body_init(&body, relaxed));
		for (size_t start = 0; start < length; start += piece)
			cm_dkim_body_add(&body, text + start,
					 piece < length - start ? piece : length - start);
		assert_true(cm_dkim_body_end(&body, got));
		cm_dkim_body_free(&body);
		if (memcmp(got, wanted, sizeof(got)) != 0)
			fail_msg("%s body \"%s\" in pieces of %zu", relaxed ? "relaxed" : "simple",
				 text, piece);
	}
}

static void test_simple_body(void **state)
{
	(void)state;
	/* RFC 6376 3.4.5 */
	assert_body(false, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n");
	assert_body(false, "", "\r\n");
	assert_body(false, "\r\n", "\r\n");
	assert_body(false, "\r\n\r\n\r\n", "\r\n");
	assert_body(false, "a", "a\r\n");
	assert_body(false, "a\r\n", "a\r\n");
	assert_body(false, "\r\n\r\na\r\n\r\nb", "\r\n\r\na\r\n\r\nb\r\n");
	assert_body(false, "a\n\nb\n", "a\r\n\r\nb\r\n");
	assert_body(false, "a\rb\r\r\n\r", "a\rb\r\r\n\r\r\n");
	assert_body(false, " \r\n", " \r\n");
}

static void test_relaxed_body(void **state)
{
	(void)state;
	/* RFC 6376 3.4.5 */
	assert_body(true, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n");
	assert_body(true, "", "");
	assert_body(true, "\r\n\r\n", "");
	assert_body(true, " \t\r\n \r\n", "");
	assert_body(true, " \t ", "");
	assert_body(true, "a", "a\r\n");
	assert_body(true, "a \t", "a\r\n");
	assert_body(true, "\t a  b\t\tc \r\n  \r\n\r\nd", " a b c\r\n\r\n\r\nd\r\n");
	assert_body(true, "a \n b\n", "a\r\n b\r\n");
	assert_body(true, "a \r b \r\r\n", "a \r b \r\r\n");
}

static void test_long_body(void **state)
{
	const size_t lines = 5000;
	unsigned char wanted[CM_DKIM_HASH_SIZE], got[CM_DKIM_HASH_SIZE];
	char *text = malloc(lines * 20), *end = text;
	struct cm_dkim_body body;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		end += sprintf(end, "line %zu\r\n", i);
	digest_of(text, (size_t)(end - text), wanted);
	for (int relaxed = 0; relaxed < 2; relaxed++) {
		assert_true(cm_dkim_body_init(&body, relaxed));
		cm_dkim_body_add(&body, text, (size_t)(end - text));
		cm_dkim_body_add(&body, "\r\n\r\n", 4);
		assert_true(cm_dkim_body_end(&body, got));
		cm_dkim_body_free(&body);
		assert_memory_equal(got, wanted, sizeof(got));
	}
	free(text);
}

static void assert_field(bool relaxed, const char *name, const char *value, const char *expected)
{
	unsigned char wanted[CM_DKIM_HASH_SIZE], got[CM_DKIM_HASH_SIZE];
	struct cm_dkim_hash hash;

	digest_of(expected, strlen(expected), wanted);
	assert_true(cm_dkim_hash_init(&hash));
	cm_dkim_hash_field(&hash, relaxed, name, strlen(name), value, strlen(value), true);
	assert_true(cm_dkim_hash_end(&hash, got));
	cm_dkim_hash_free(&hash);
	if (memcmp(got, wanted, sizeof(got)) != 0)
		fail_msg("%s field %s:%s", relaxed ? "relaxed" : "simple", name, value);
}

static void test_fields(void **state)
{
	(void)state;
	/* RFC 6376 3.4.5; folded by LF, as the filter protocol has it, or by CRLF. */
	assert_field(true, "A", " X", "a:X\r\n");
	assert_field(true, "B ", " Y\t\r\n\tZ  ", "b:Y Z\r\n");
	assert_field(true, "B ", " Y\t\n\tZ  ", "b:Y Z\r\n");
	assert_field(true, "SUBJect", "", "subject:\r\n");
	assert_field(true, "Subject", " \r\n\t ", "subject:\r\n");
	assert_field(true, "X\xc3\x84", "\xc3\x84 \xa0", "x\xc3\x84:\xc3\x84 \xa0\r\n");
	assert_field(false, "A", " X", "A: X\r\n");
	assert_field(false, "B ", " Y\t\r\n\tZ  ", "B : Y\t\r\n\tZ  \r\n");
	assert_field(false, "B", " Y\t\n\tZ  ", "B: Y\t\r\n\tZ  \r\n");
	assert_field(false, "B", "\n x", "B:\r\n x\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_simple_body),
	    cmocka_unit_test(test_relaxed_body),
	    cmocka_unit_test(test_long_body),
	    cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
