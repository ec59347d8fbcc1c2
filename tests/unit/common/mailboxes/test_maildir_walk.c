/*
 * test_maildir_walk - names of messages, mailboxes in batches, the files of one mailbox
 */
#include "support.h"

#include <errno.h>

#include "maildir_walk.h"

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
		time_t time;
		uint64_t size;
	} rows[] = {
	    {"1775324677.M448978P3029757.exam,S=3235,W=3305:2,S", true, 1775324677, 3235},
	    {"1.x,S=0", true, 1, 0},
	    {"1.x,S=5,S=6", true, 1, 6},
	    {"1.x,S=5,S=", true, 1, 5},
	    {"1.x,S=18446744073709551616", true, 1, UINT64_MAX},
	    {"1.,S=5", false, 0, 0}, /* no digits between the dot and the size */
	    {"1x,S=5", false, 0, 0},
	    {".x,S=5", false, 0, 0},
	    {"x1.x,S=5", false, 0, 0},
	    {"1.x,S=", false, 0, 0},
	    {"1.x,W=5", false, 0, 0},
	    {"1.x", false, 0, 0},
	    {"1", false, 0, 0},
	    {"", false, 0, 0},
	    {"9223372036854775808.x,S=5", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		time_t seconds = 0;
		uint64_t size = 0;

		assert_int_equal(cm_maildir_name_parse(rows[i].name, &seconds, &size),
				 rows[i].valid);
		assert_int_equal(seconds, rows[i].time);
		assert_true(size == rows[i].size);
	}
}

static void make_directory(const char *top, const char *name)
{
	char *path = test_path(top, name);

	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
}

/* More than one batch, and twice. */
static void test_mailboxes(void **state)
{
	enum { COUNT = 8300 };
	struct cm_mailboxes *mailboxes;
	struct cm_error err;
	const char *name;
	char path[32];
	int fd;

	make_directory(*state, "no-mailbox");
	test_write_text(*state, "file@relay.test", "");
	mailboxes = cm_mailboxes_open(*state, &err);
	assert_non_null(mailboxes);
	fd = cm_mailboxes_fd(mailboxes);
	for (int i = 0; i < COUNT; i++) {
		snprintf(path, sizeof(path), "%d@relay.test", i);
		assert_int_equal(mkdirat(fd, path, 0700), 0);
	}
	for (int pass = 0; pass < 2; pass++) {
		char *seen = calloc(1, COUNT);
		int count = 0;

		assert_non_null(seen);
		cm_mailboxes_rewind(mailboxes);
		while (cm_mailboxes_next(mailboxes, &name, &err) && name != NULL) {
			int number = atoi(name);

			assert_true(number >= 0 && number < COUNT && !seen[number]);
			seen[number] = 1;
			count++;
		}
		assert_null(name);
		assert_int_equal(count, COUNT);
		free(seen);
	}
	cm_mailboxes_close(&mailboxes);
	assert_null(mailboxes);
	cm_mailboxes_close(&mailboxes);
	assert_null(cm_mailboxes_open("/nonexistent/mail", &err));
	assert_non_null(strstr(err.text, "/nonexistent/mail"));
}

struct shown {
	int count[CM_MAILDIR_EXTRA + 1];
	int stats;
};

static void show(const struct cm_maildir_file *file, void *context)
{
	struct shown *shown = context;
	struct stat st;

	shown->count[file->part]++;
	shown->stats += cm_maildir_file_stat(file, &st);
	if (file->part == CM_MAILDIR_NEW)
		assert_string_equal(file->directory, ".Folder/new");
}

static void test_walk(void **state)
{
	static const char *const directories[] = {"cur",         "tmp",     ".Folder",
						  ".Folder/cur", "cur/sub", ".Folder/new"};
	static const char *const files[] = {
	    "password",      "cur/1",         "cur/2",       "tmp/1",
	    ".Folder/cur/1", ".Folder/new/1", "cur/sub/not", ".Folder/maildirfolder"};
	struct shown shown = {0};
	struct cm_error err;
	time_t seen = 0;
	int fd;

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		make_directory(*state, directories[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		test_write_text(*state, files[i], "x");
	fd = open(*state, O_RDONLY | O_DIRECTORY);
	assert_true(cm_maildir_walk(fd, show, &shown, &err));
	assert_int_equal(shown.count[CM_MAILDIR_CUR], 3);
	assert_int_equal(shown.count[CM_MAILDIR_NEW], 1);
	assert_int_equal(shown.count[CM_MAILDIR_TMP], 1);
	assert_int_equal(shown.count[CM_MAILDIR_EXTRA], 2);
	assert_int_equal(shown.stats, 7);
	assert_true(cm_maildir_last_seen(fd, &seen));
	assert_true(seen > 0);
	assert_int_equal(unlinkat(fd, "password", 0), 0);
	assert_false(cm_maildir_last_seen(fd, &seen));
	assert_int_equal(errno, ENOENT);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test_setup_teardown(test_mailboxes, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_walk, test_directory_setup,
					    test_directory_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
