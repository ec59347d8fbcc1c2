/*
 * test_push_queue - queue entries in upstream's format
 */
#include "support.h"

#include <dirent.h>

#include "push_queue.h"

static void test_add(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user;
	struct cm_error err = {""};
	struct cm_push_entry entry;
	char *path = cm_push_queue_path(config), *text;
	struct dirent *file;
	DIR *directory;
	int count = 0;

	assert_true(cm_address_parse("user12345@relay.test", 20, &user));
	assert_true(cm_push_queue_add(config, &user, "openpgp:abc", 1700000000, &err));
	assert_true(cm_push_queue_add(config, &user, "openpgp:abc", 1700000000, &err));
	assert_false(cm_push_queue_add(config, &user, "a\nb", 1700000000, &err));
	directory = opendir(path);
	assert_non_null(directory);
	while ((file = readdir(directory)) != NULL) {
		if (file->d_name[0] == '.')
			continue;
		count++;
		text = test_read_text(path, file->d_name);
		assert_string_equal(text, "user12345@relay.test\n1700000000\nopenpgp:abc");
		assert_true(cm_push_entry_parse(text, strlen(text), &entry));
		assert_string_equal(entry.address.text, user.text);
		assert_int_equal(entry.time, 1700000000);
		assert_string_equal(entry.token, "openpgp:abc");
		free(text);
	}
	closedir(directory);
	assert_int_equal(count, 2);
	free(path);
	cm_config_free(&config);
}

static void test_parse(void **state)
{
	static const char *const bad[] = {
	    "",
	    "\n",
	    "\n\n",
	    "a@b.test\n1",
	    "a@b.test\n1\n",
	    "a@b.test\n\ntoken",
	    "a@b.test\n-1\ntoken",
	    "a@b.test\n1.5\ntoken",
	    "a@b.test\n99999999999999999999999\ntoken",
	    "nobody\n1\ntoken",
	    "../../x\n1\ntoken",
	    "a@b.test\n1\ntok en",
	    "a@b.test\n1\ntoken\nmore",
	};
	char text[CM_PUSH_ENTRY_MAX + 64];
	struct cm_push_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cm_push_entry_parse(bad[i], strlen(bad[i]), &entry))
			fail_msg("accepted: %s", bad[i]);
	assert_true(cm_push_entry_parse("a@b.test\n12\ntoken\n", 18, &entry));
	assert_string_equal(entry.token, "token");
	strcpy(text, "a@b.test\n1\n");
	memset(text + 11, 'x', CM_TOKEN_MAX + 1);
	assert_true(cm_push_entry_parse(text, 11 + CM_TOKEN_MAX, &entry));
	assert_false(cm_push_entry_parse(text, 11 + CM_TOKEN_MAX + 1, &entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_add, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
