/*
 * test_daemon - background start, pid file lock and signals, each for real in child processes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"

/* Runs the function in a child; its exit status. */
static int in_child(int (*function)(const char *), const char *argument)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(function(argument));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int take_pid_file(const char *path)
{
	struct cm_error err;

	if (cm_daemon_pid_file(path, &err) >= 0)
		return 0;
	return strstr(err.text, "runs already") != NULL ? 2 : 3;
}

static void test_pid_file_is_exclusive(void **state)
{
	char directory[] = "/tmp/cm-daemon-XXXXXX", path[64], text[32] = "", expected[32];
	struct cm_error err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/pid", directory);

	/* left behind by a process that is gone: no obstacle */
	assert_int_equal(in_child(take_pid_file, path), 0);
	fd = cm_daemon_pid_file(path, &err);
	assert_true(fd >= 0);
	snprintf(expected, sizeof expected, "%ld\n", (long)getpid());
	assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
	assert_string_equal(text, expected);

	assert_int_equal(in_child(take_pid_file, path), 2);
	cm_daemon_pid_file_remove(path, &fd);
	assert_int_equal(fd, -1);
	assert_int_not_equal(access(path, F_OK), 0);
	rmdir(directory);
}

/* What a main() does; the grandchild is ready or ends at once. */
static int start(const char *argument)
{
	int fd;

	switch (cm_daemon_background(&fd, NULL)) {
	case CM_DAEMON_STARTED:
		return 10;
	case CM_DAEMON_FAILED:
		return 11;
	case CM_DAEMON_CHILD:
		break;
	}
	if (strcmp(argument, "fail") == 0)
		_exit(1);
	cm_daemon_ready(&fd);
	_exit(fd == -1 ? 0 : 1);
}

static void test_background_reports(void **state)
{
	(void)state;
	assert_int_equal(in_child(start, "work"), 10);
	assert_int_equal(in_child(start, "fail"), 11);
}

static int read_signals(const char *argument)
{
	int fd = cm_daemon_signals(NULL);

	(void)argument;
	if (fd < 0 || cm_daemon_next_signal(fd) != 0)
		return 1;
	raise(SIGPIPE);
	raise(SIGHUP);
	if (cm_daemon_next_signal(fd) != SIGHUP)
		return 2;
	raise(SIGTERM);
	if (cm_daemon_next_signal(fd) != SIGTERM)
		return 3;
	return cm_daemon_next_signal(fd) == 0 ? 0 : 4;
}

static void test_signals_are_read(void **state)
{
	(void)state;
	assert_int_equal(in_child(read_signals, ""), 0);
}

static int become(const char *user)
{
	struct passwd *password = getpwnam(user);

	if (!cm_daemon_drop_privileges(user, NULL))
		return 1;
	return password != NULL && getuid() == password->pw_uid && getgid() == password->pw_gid ? 0
												: 2;
}

static void test_privileges(void **state)
{
	struct cm_error err;

	(void)state;
	assert_true(cm_daemon_drop_privileges(NULL, &err));
	assert_true(cm_daemon_drop_privileges("", &err));
	assert_false(cm_daemon_drop_privileges("no-such-user-here", &err));
	assert_non_null(strstr(err.text, "no-such-user-here"));
	assert_int_equal(in_child(become, "nobody"), geteuid() == 0 ? 0 : 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pid_file_is_exclusive),
	    cmocka_unit_test(test_background_reports),
	    cmocka_unit_test(test_signals_are_read),
	    cmocka_unit_test(test_privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
