/*
 * test_man_pages - chatmail.ini(5) lists every key with its default, in the order of the program
 */
#include "support.h"

#include "config.h"

#define PAGE SOURCE_DIR "/docs/man/chatmail.ini.5"

/* The text after ".It Ic " in a line, without the newline; NULL for other lines. */
static char *item_of(char *line)
{
	static const char start[] = ".It Ic ";

	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, start, strlen(start)) == 0 ? line + strlen(start) : NULL;
}

/* "name = default", "name =" for an empty one, "name No derived" or "name No (required)". */
static void check_item(const struct cm_config_key *key, const char *item)
{
	char expected[512];

	if (key->name == NULL)
		fail_msg("no key of the program: %s", item);
	if (key->default_text != NULL)
		snprintf(expected, sizeof(expected), "%s =%s%s", key->name,
			 key->default_text[0] != '\0' ? " " : "", key->default_text);
	else
		snprintf(expected, sizeof(expected), "%s No %s", key->name,
			 strcmp(key->name, "mail_domain") == 0 ? "(required)" : "derived");
	assert_string_equal(item, expected);
}

static void test_every_key_with_its_default(void **state)
{
	const struct cm_config_key *key = cm_config_keys();
	FILE *page = fopen(PAGE, "r");
	char line[1024];

	(void)state;
	assert_non_null(page);
	while (fgets(line, sizeof(line), page) != NULL) {
		const char *item = item_of(line);
		if (item != NULL)
			check_item(key++, item);
	}
	fclose(page);
	if (key->name != NULL)
		fail_msg("chatmail.ini(5) does not explain %s", key->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_key_with_its_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
