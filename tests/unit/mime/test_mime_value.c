/*
 * test_mime_value - values with parameters, such as Content-Type
 */
#include "support.h"

#include "mime_value.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void mime_values_are_parsed(void **state)
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

static void differences_between_readers_are_noted(void **state)
{
	static const char *const unusual[] = {"(c)a/b",
					      "a/b(c)",
					      "a/b;(c)c=d",
					      "a/b;c(c)=d",
					      "a/b;c=(c)d",
					      "a/b;c=d(c)",
					      "a/b;c=d;(c)",
					      "a/b;c=\"\\d\"",
					      "a/b;c=\"=?x\"",
					      "a/b;c=\"d; e=f\"",
					      "a/b;c=\"\xc3\xa4\"",
					      "a/b;c=\"\xe4\"",
					      "a/b;x-boundary=c",
					      "a/b;Boundary2=c",
					      "a/b;c=\"d boundary=e\"",
					      "a/b;c=\"BOUNDARY=e\"",
					      "a/b;c=\"boundary =e\""};
	static const char *const usual[] = {"a/b", "a/b ;\n c = \"(d)\";;e=\"f?= g\"; ",
					    "a/b;boundary=\"=_boundary_1\"", "a/b;c=boundary"};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mime_values_are_parsed),
	    cmocka_unit_test(differences_between_readers_are_noted),
	    cmocka_unit_test(only_whole_encoded_words_are_refused),
	    cmocka_unit_test(long_mime_values_are_refused_not_cut),
	    cmocka_unit_test(boundaries_have_their_own_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
