/*
 * test_options - command lines: which values are stored, which lines are refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "options.h"

static struct {
	bool verbose;
	const char *from, *file;
	unsigned int share;
	time_t now;
} values;

static const struct cm_option options[] = {
    {"verbose", 'v', NULL, "more", cm_option_switch, &values.verbose, 0, 0},
    {"from", 'f', "ADDR", "who", cm_option_text, &values.from, 0, 0},
    {"file", 0, "FILE", "one\ntwo", cm_option_path, &values.file, 0, 0},
    {"share", 0, "PERCENT", "how much", cm_option_number, &values.share, 1, 100},
    {"now", 0, "TIME", "when", cm_option_time, &values.now, 0, 0},
    {.name = NULL},
};

static const struct cm_command_line line = {
    .program = "tool do",
    .synopsis = "[-v] WORD...\n--file FILE",
    .summary = "Does it.",
    .options = options,
    .arguments_max = 2,
};

#define PARSE(...)                                                                                 \
	parse((char *[]){"x", __VA_ARGS__, NULL},                                                  \
	      sizeof((char *[]){"x", __VA_ARGS__}) / sizeof(char *))

static char **words;

static int parse(char **argv, size_t argc)
{
	memset(&values, 0, sizeof(values));
	return cm_options_parse(&line, (int)argc, argv, &words);
}

static void test_values_are_stored(void **state)
{
	(void)state;
	assert_int_equal(
	    PARSE("-v", "a", "--from=b", "--file", "c", "--share", "100", "--now", "0", "d"), -1);
	assert_true(values.verbose);
	assert_string_equal(values.from, "b");
	assert_string_equal(values.file, "c");
	assert_int_equal(values.share, 100);
	assert_int_equal(values.now, 0);
	assert_string_equal(words[0], "a");
	assert_string_equal(words[1], "d");
	assert_null(words[2]);
	/* Short options in one word, and no state left from the first line. */
	assert_int_equal(PARSE("-vfb", "--", "-v"), -1);
	assert_true(values.verbose);
	assert_string_equal(values.from, "b");
	assert_string_equal(words[0], "-v");
	assert_int_equal(PARSE("--now", "1700000000"), -1);
	assert_int_equal(values.now, 1700000000);
	assert_false(values.verbose);
	assert_null(words[0]);
}

static void test_wrong_lines(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--nonsense"), 2);
	assert_int_equal(PARSE("-x"), 2);
	assert_int_equal(PARSE("--from"), 2);
	assert_int_equal(PARSE("--verbose=1"), 2);
	assert_int_equal(PARSE("a", "b", "c"), 2);
	for (const char *const *text = (const char *const[]){"", "0", "101", "-1", "+1", " 1", "1 ",
							     "1x", "99999999999999999999", NULL};
	     *text != NULL; text++)
		assert_int_equal(PARSE("--share", (char *)*text), 2);
	for (const char *const *text =
		 (const char *const[]){"", "-1", "tomorrow", "1e9", "99999999999999", NULL};
	     *text != NULL; text++)
		assert_int_equal(PARSE("--now", (char *)*text), 2);
}

static void test_help_and_version(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), 0);
	assert_int_equal(PARSE("-h"), 0);
	assert_int_equal(PARSE("--version"), 0);
	assert_int_equal(PARSE("-V"), 0);
	/* The first option counts. */
	assert_int_equal(PARSE("--nonsense", "--help"), 2);
}

static void test_too_few_arguments(void **state)
{
	struct cm_command_line wants = line;

	(void)state;
	wants.arguments_min = 1;
	assert_int_equal(cm_options_parse(&wants, 1, (char *[]){"x", NULL}, NULL), 2);
	assert_int_equal(cm_options_parse(&wants, 2, (char *[]){"x", "a", NULL}, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_are_stored),
	    cmocka_unit_test(test_wrong_lines),
	    cmocka_unit_test(test_help_and_version),
	    cmocka_unit_test(test_too_few_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
