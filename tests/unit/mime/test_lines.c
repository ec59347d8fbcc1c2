/*
 * test_lines - lines from pieces
 */
#include "support.h"

#include "decoded.h"
#include "lines.h"

static void lines_end_at_lf_or_crlf(void **state)
{
	static const char text[] = "a\r\nb\n\r\n\nc\rd\r\r\ne";
	struct decoded decoded;
	struct cm_lines lines;

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		decoded.length = 0;
		cm_lines_init(&lines, decoded_add, &decoded);
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
			cm_lines_init(&lines, decoded_add, &decoded);
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
	    cmocka_unit_test(lines_end_at_lf_or_crlf),
	    cmocka_unit_test(lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
