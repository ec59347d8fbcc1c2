#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix_socket.h"

#define BACKLOG 8

static void test_mode_does_not_depend_on_the_umask(void **state)
{
	char path[256];
	struct cm_error err = {""};
	struct stat st;
	mode_t mask = umask(0);
	int fd;

	snprintf(path, sizeof(path), "%s/sock", (const char *)*state);
	fd = cm_unix_socket_listen(path, 0660, BACKLOG, &err);
	assert_true(fd >= 0);
	assert_int_equal(umask(mask), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	close(fd);
}

static void test_only_a_socket_without_a_listener_is_replaced(void **state)
{
	char path[256];
	struct cm_error err = {""};
	int fd;

	snprintf(path, sizeof(path), "%s/sock", (const char *)*state);
	fd = cm_unix_socket_listen(path, 0600, BACKLOG, &err);
	assert_true(fd >= 0);
	assert_int_equal(cm_unix_socket_listen(path, 0600, BACKLOG, &err), -1);
	assert_non_null(strstr(err.text, "another program listens there"));
	close(fd);
	fd = cm_unix_socket_listen(path, 0600, BACKLOG, &err);
	assert_true(fd >= 0);
	close(fd);
}

static void test_a_path_that_is_too_long_is_an_error(void **state)
{
	char path[200];
	struct cm_error err = {""};

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(cm_unix_socket_listen(path, 0600, BACKLOG, &err), -1);
	assert_non_null(strstr(err.text, "at most"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_mode_does_not_depend_on_the_umask,
					    test_directory_setup, test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_only_a_socket_without_a_listener_is_replaced,
					    test_directory_setup, test_directory_teardown),
	    cmocka_unit_test(test_a_path_that_is_too_long_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
