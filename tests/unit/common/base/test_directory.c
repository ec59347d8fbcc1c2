/*
 * test_directory - directories made, opened below a descriptor, and what does not open
 */
#include "support.h"

#include <errno.h>

#include "directory.h"
#include "file.h"

static void make_directory(const char *top, const char *name)
{
	char *path = test_path(top, name);

	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
}

static void test_open_beneath(void **state)
{
	int top = open(*state, O_RDONLY | O_DIRECTORY);
	int fd;
	char *path = test_path(*state, "link");

	make_directory(*state, "a");
	make_directory(*state, "a/b");
	assert_int_equal(symlink("a", path), 0);
	free(path);
	for (const char *const *good = (const char *const[]){"", "a", "a/b", "a//b/", NULL};
	     *good != NULL; good++) {
		fd = cm_directory_open_beneath(top, *good);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(cm_directory_open_beneath(top, "a/.."), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cm_directory_open_beneath(top, "link/b"), -1);
	assert_true(errno == ENOTDIR || errno == ELOOP);
	assert_int_equal(cm_directory_open_beneath(top, "a/c"), -1);
	assert_int_equal(errno, ENOENT);
	close(top);
}

static void test_make_directories(void **state)
{
	char *path = test_path(*state, "m/n/o");
	struct stat st;

	for (int i = 0; i < 2; i++) {
		assert_true(cm_file_make_directories(path, 0700));
		assert_int_equal(stat(path, &st), 0);
		assert_true(S_ISDIR(st.st_mode));
	}
	free(path);
	assert_true(cm_file_make_directories("", 0700));
	assert_true(cm_file_make_directories("/", 0700));
}

static void test_stream(void **state)
{
	DIR *stream = cm_directory_stream(open(*state, O_RDONLY | O_DIRECTORY));
	const struct dirent *entry;
	unsigned int dots = 0;

	assert_non_null(stream);
	while ((entry = readdir(stream)) != NULL)
		dots += cm_directory_is_dot(entry->d_name);
	assert_int_equal(dots, 2);
	closedir(stream);
	assert_false(cm_directory_is_dot("..."));
	assert_false(cm_directory_is_dot(""));
}

/* The descriptor is closed, and errno is that of the call that failed. */
static void test_no_stream(void **state)
{
	char *path = test_path(*state, "file");
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	assert_null(cm_directory_stream(fd));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_null(cm_directory_stream(cm_directory_open(AT_FDCWD, path)));
	assert_int_equal(errno, ENOTDIR);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_open_beneath, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_make_directories, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_stream, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_no_stream, test_directory_setup,
					    test_directory_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
