/*
 * test_tokens - push tokens in metadata.json: both of upstream's forms, ages, bounds, concurrency
 */
#include "support.h"

#include <sys/wait.h>

#include "tokens.h"

#define NOW ((time_t)2000000000)

/* The tokens as one text with blanks between them. */
static void assert_tokens(const char *directory, time_t now, const char *expected)
{
	struct cm_error err = {""};
	struct cm_tokens tokens;
	char text[4096] = "";

	if (!cm_tokens_get(directory, now, &tokens, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < tokens.count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, tokens.token[i]);
	}
	assert_string_equal(text, expected);
	cm_tokens_free(&tokens);
}

static void set(const char *directory, const char *token, time_t now)
{
	struct cm_error err = {""};

	if (!cm_tokens_set(directory, token, now, &err))
		fail_msg("%s", err.text);
}

static void test_set_and_get(void **state)
{
	struct cm_error err = {""};

	assert_tokens(*state, NOW, "");
	set(*state, "openpgp:one", NOW);
	set(*state, "two", NOW + 10);
	/* Setting a token again renews its time stamp and does not duplicate it. */
	set(*state, "openpgp:one", NOW + 11);
	assert_tokens(*state, NOW + 11, "two openpgp:one");
	set(*state, "openpgp:one", NOW + 11);
	assert_tokens(*state, NOW + 11, "two openpgp:one");
	assert_true(cm_tokens_remove(*state, "two", &err));
	assert_true(cm_tokens_remove(*state, "two", &err));
}

static void test_remove(void **state)
{
	time_t now = time(NULL);
	struct cm_error err = {""};

	set(*state, "one", now);
	set(*state, "two", now + 1);
	assert_true(cm_tokens_remove(*state, "one", &err));
	assert_tokens(*state, now, "two");
	assert_true(cm_tokens_remove(*state, "absent", &err));
	assert_tokens(*state, now, "two");
}

static void test_lifetime(void **state)
{
	set(*state, "t", NOW);
	assert_tokens(*state, NOW + CM_TOKEN_LIFETIME - 1, "t");
	assert_tokens(*state, NOW + CM_TOKEN_LIFETIME, "");
	assert_tokens(*state, NOW - CM_TOKEN_FUTURE_MAX, "t");
	assert_tokens(*state, NOW - CM_TOKEN_FUTURE_MAX - 1, "");
	/* renewed when it is set again; expired ones are dropped from the file */
	set(*state, "t", NOW + CM_TOKEN_LIFETIME - 5);
	assert_tokens(*state, NOW + CM_TOKEN_LIFETIME, "t");
	set(*state, "u", NOW + 3 * (time_t)CM_TOKEN_LIFETIME);
	{
		char *text = test_read_text(*state, "metadata.json");

		assert_null(strstr(text, "\"t\""));
		free(text);
	}
}

static void test_upstream_forms(void **state)
{
	char *text;

	test_write_text(*state, "metadata.json",
			"{\"devicetoken\": {\"b\": 1999999990, \"a\": 1999999999.5, \"old\": 1}, "
			"\"other\": [1]}");
	assert_tokens(*state, NOW, "b a");
	set(*state, "c", NOW);
	assert_tokens(*state, NOW, "b a c");
	text = test_read_text(*state, "metadata.json");
	assert_non_null(strstr(text, "\"other\":[1]"));
	free(text);

	test_write_text(*state, "metadata.json", "{\"devicetoken\": [\"x\", \"y\", 7]}");
	assert_tokens(*state, NOW, "x y");
	set(*state, "z", NOW + 1);
	assert_tokens(*state, NOW + 1, "x y z");

	/* The tokens of a list age from the first set on, which may be of one of them. */
	test_write_text(*state, "metadata.json", "{\"devicetoken\": [\"x\", \"y\"]}");
	set(*state, "x", NOW);
	assert_tokens(*state, NOW, "x y");
	assert_tokens(*state, NOW + CM_TOKEN_LIFETIME, "");

	test_write_text(*state, "metadata.json", "{}");
	assert_tokens(*state, NOW, "");
}

static void test_broken_file(void **state)
{
	struct cm_error err = {""};
	struct cm_tokens tokens;

	test_write_text(*state, "metadata.json", "{\"devicetoken\": {");
	assert_false(cm_tokens_get(*state, NOW, &tokens, &err));
	assert_non_null(strstr(err.text, "metadata.json"));
	assert_int_equal(tokens.count, 0);
	set(*state, "new", NOW);
	assert_tokens(*state, NOW, "new");
	test_write_text(*state, "metadata.json", "[1,2]");
	assert_false(cm_tokens_get(*state, NOW, &tokens, &err));
}

static void test_bounds(void **state)
{
	char token[CM_TOKEN_MAX + 2], expected[1024] = "";
	struct cm_error err = {""};

	memset(token, 'x', sizeof(token));
	token[CM_TOKEN_MAX + 1] = '\0';
	assert_false(cm_tokens_set(*state, token, NOW, &err));
	token[CM_TOKEN_MAX] = '\0';
	set(*state, token, NOW);
	assert_false(cm_tokens_set(*state, "", NOW, &err));
	assert_false(cm_tokens_set(*state, "a b", NOW, &err));
	assert_false(cm_tokens_set(*state, "a\nb", NOW, &err));
	assert_false(cm_tokens_set(*state, "a\x80", NOW, &err));

	for (int i = 0; i < CM_TOKENS_MAX; i++) {
		snprintf(token, sizeof(token), "t%02d", i);
		set(*state, token, NOW + 1 + i);
		strcat(strcat(expected, i > 0 ? " " : ""), token);
	}
	assert_tokens(*state, NOW + CM_TOKENS_MAX, expected);
}

/* Upstream has no limit: each further token would be another notification for each message. */
static void test_more_than_we_keep(void **state)
{
	enum { COUNT = 20000 };
	char *text = malloc(64 * COUNT), *end = text, expected[1024] = "";

	assert_non_null(text);
	end += sprintf(end, "{\"devicetoken\": {\"huge\": 1e300, \"tiny\": -1e300");
	for (int i = 0; i < COUNT; i++)
		end += sprintf(end, ", \"t%05d\": %lld", i, (long long)NOW - i);
	strcpy(end, "}}");
	test_write_text(*state, "metadata.json", text);
	for (int i = CM_TOKENS_MAX - 1; i >= 0; i--)
		sprintf(expected + strlen(expected), "%st%05d", *expected == '\0' ? "" : " ", i);
	assert_tokens(*state, NOW, expected);
	set(*state, "new", NOW + 1);
	strcat(expected, " new");
	assert_tokens(*state, NOW + 1, strchr(expected, ' ') + 1);
	free(text);
}

static void test_too_large_file(void **state)
{
	struct cm_error err = {""};
	struct cm_tokens tokens;
	size_t size = 2 * 1024 * 1024;
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, ' ', size);
	test_write(*state, "metadata.json", text, size);
	free(text);
	assert_false(cm_tokens_get(*state, NOW, &tokens, &err));
	set(*state, "new", NOW);
	assert_tokens(*state, NOW, "new");
}

static void test_concurrent_sessions(void **state)
{
	enum { CHILDREN = 25 };
	pid_t child[CHILDREN];
	struct cm_tokens tokens;
	struct cm_error err = {""};
	int status;

	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			char token[16];

			snprintf(token, sizeof(token), "t%d", i);
			_exit(cm_tokens_set(*state, token, NOW, &err) ? 0 : 1);
		}
	}
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	assert_true(cm_tokens_get(*state, NOW, &tokens, &err));
	assert_int_equal(tokens.count, CHILDREN);
	cm_tokens_free(&tokens);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_set_and_get),       TEST(test_remove),         TEST(test_lifetime),
	    TEST(test_upstream_forms),    TEST(test_broken_file),    TEST(test_bounds),
	    TEST(test_more_than_we_keep), TEST(test_too_large_file), TEST(test_concurrent_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
