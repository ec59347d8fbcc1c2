/*
 * test_template - the renderer of configuration templates
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "template.h"

static const char *value(const char *name, void *context)
{
	static const char *const settings[][2] = {
	    {"domain", "relay.test"},
	    {"yes", "true"},
	    {"no", "false"},
	    {"zero", "0"},
	    {"empty", ""},
	    {"braces", "{{domain}}"},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i][0], name) == 0)
			return settings[i][1];
	return NULL;
}

static void test_rendered(void **state)
{
	static const struct {
		const char *template, *result;
	} cases[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"plain\n", "plain\n"},
	    {"a = {{domain}}\n", "a = relay.test\n"},
	    {"{{domain}}{{domain}} {{yes}}\n", "relay.testrelay.test true\n"},
	    {"{{empty}}\n", "\n"},
	    /* a value is not rendered itself */
	    {"{{braces}}\n", "{{domain}}\n"},
	    {"{domain} $domain %{user} %u }}\n", "{domain} $domain %{user} %u }}\n"},
	    {"%if yes\na\n%end\nb\n", "a\nb\n"},
	    {"%if no\na\n%end\nb\n", "b\n"},
	    {"%if zero\na\n%else\nb\n%end\n", "b\n"},
	    {"%if empty\na\n%else\nb\n%end\n", "b\n"},
	    {"%if !empty\na\n%else\nb\n%end\n", "a\n"},
	    {"%if !yes\na\n%else\nb\n%end", "b\n"},
	    {"%if yes\n%if no\na\n%else\nb\n%end\nc\n%end\n", "b\nc\n"},
	    /* no text in a branch that is not taken is written, whatever its inner conditions
	       are */
	    {"%if no\n%if yes\na\n%else\nb\n%end\nc\n%else\nd\n%end\n", "d\n"},
	    /* a line that only resembles a directive */
	    {"%Y\n%\n a%if\n", "%Y\n%\n a%if\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cm_error err = {""};
		char *result = cm_template_render("t", cases[i].template, value, NULL, &err);

		assert_string_equal(err.text, "");
		assert_non_null(result);
		assert_string_equal(result, cases[i].result);
		free(result);
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *template, *error;
	} cases[] = {
	    {"a\n{{nothing}}\n", "t:2: unknown setting nothing"},
	    {"{{}}\n", "t:1: unknown setting "},
	    {"{{ domain }}\n", "t:1: unknown setting  domain "},
	    {"{{domain\n}}\n", "t:1: {{ without }}"},
	    {"%if nothing\n%end\n", "t:1: unknown setting nothing"},
	    {"%if yes\n\n%if no\n%end\n", "t:1: this %if has no %end"},
	    {"%end\n", "t:1: %end without %if"},
	    {"%else\n", "t:1: %else without %if"},
	    {"%if yes\n%else\n%else\n%end\n", "t:3: %else without %if"},
	    {"%unless yes\n", "t:1: unknown directive: %unless yes"},
	    {"%if\n", "t:1: unknown directive: %if"},
	    {"%if yes\n%if yes\n%if yes\n%if yes\n%if yes\n%if yes\n%if yes\n%if yes\n%if yes\n",
	     "t:9: %if nested deeper than 8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cm_error err = {""};

		assert_null(cm_template_render("t", cases[i].template, value, NULL, &err));
		assert_string_equal(err.text, cases[i].error);
	}
}

/* A name longer than any setting's is refused, not truncated to an existing name. */
static void test_long_name(void **state)
{
	struct cm_error err = {""};
	char text[256];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "{{", 2);
	memcpy(text + 100, "}}", 3);
	assert_null(cm_template_render("t", text, value, NULL, &err));
	assert_memory_equal(err.text, "t:1: unknown setting aaaa", 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rendered),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
