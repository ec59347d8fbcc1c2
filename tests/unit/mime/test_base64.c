/*
 * test_base64 - base64 in pieces
 */
#include "support.h"

#include "base64.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unpadded_base64_ends_where_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
