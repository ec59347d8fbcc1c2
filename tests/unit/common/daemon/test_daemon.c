/*
 * test_daemon - command line, background start, PID file and signals, in real child processes
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "pid_file.h"
#include "privileges.h"

/* Runs the function in a child; returns its exit status. */
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

	if (cm_pid_file_open(path, &err) >= 0)
		return 0;
	return strstr(err.text, "already running") != NULL ? 2 : 3;
}

static void test_pid_file_is_exclusive(void **state)
{
	char directory[] = "/tmp/cm-daemon-XXXXXX", path[64], text[32] = "", expected[32];
	struct cm_error err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/pid", directory);

	/* a file of a process that is gone is no obstacle */
	assert_int_equal(in_child(take_pid_file, path), 0);
	fd = cm_pid_file_open(path, &err);
	assert_true(fd >= 0);
	snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, expected);

	assert_int_equal(in_child(take_pid_file, path), 2);
	cm_pid_file_remove(path, &fd);
	assert_int_equal(fd, -1);
	assert_int_not_equal(access(path, F_OK), 0);
	rmdir(directory);
}

/* Files that an ordinary user may have placed there for root to write to. */
static void test_pid_file_of_another_kind(void **state)
{
	char directory[] = "/tmp/cm-daemon-XXXXXX", other[64], path[64];
	struct cm_error err;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(other, sizeof(other), "%s/other", directory);
	snprintf(path, sizeof(path), "%s/pid", directory);
	fd = open(other, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);

	assert_int_equal(link(other, path), 0);
	assert_int_equal(cm_pid_file_open(path, &err), -1);
	assert_non_null(strstr(err.text, "regular file with one name"));
	unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(cm_pid_file_open(path, &err), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(cm_pid_file_open(path, &err), -1);
	unlink(path);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(other);
	rmdir(directory);
}

/* Parses a command line of words separated by blanks. */
static int parse(struct cm_daemon *daemon, const struct cm_option *more, const char *words)
{
	static char text[256];
	char *argv[16] = {"program"};
	int argc = 1;

	snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	daemon->name = "chatmail-test";
	daemon->summary = "Tests.";
	return cm_daemon_parse(daemon, more, argc, argv);
}

static void test_command_line(void **state)
{
	const char *socket = NULL;
	const struct cm_option more[] = {
	    {"socket", 's', "PATH", "where", cm_option_path, &socket, 0, 0},
	    {.name = NULL},
	};
	struct cm_daemon daemon = {.name = NULL};

	(void)state;
	assert_int_equal(parse(&daemon, NULL, ""), -1);
	assert_string_equal(daemon.config_path, "/etc/chatmail.ini");
	assert_null(daemon.pid_path);
	assert_false(daemon.foreground);
	if (geteuid() == 0)
		assert_string_equal(daemon.user, "vmail");
	else
		assert_null(daemon.user);
	assert_int_equal(parse(&daemon, more, "-f -c a.ini --pid-file=pid -u me -s sock"), -1);
	assert_string_equal(daemon.config_path, "a.ini");
	assert_string_equal(daemon.pid_path, "pid");
	assert_string_equal(daemon.user, "me");
	assert_string_equal(socket, "sock");
	assert_true(daemon.foreground);

	/* In the background "/" is the working directory. */
	assert_int_equal(parse(&daemon, more, "-c /a.ini -p /pid -s /sock"), -1);
	assert_int_equal(parse(&daemon, more, "-c a.ini"), 2);
	assert_int_equal(parse(&daemon, more, "-p pid"), 2);
	assert_int_equal(parse(&daemon, more, "-s sock"), 2);
	assert_int_equal(parse(&daemon, NULL, "-s /sock"), 2);
	assert_int_equal(parse(&daemon, NULL, "word"), 2);
	assert_int_equal(cm_daemon_check_path(&daemon, "socket", NULL), -1);
	assert_int_equal(cm_daemon_check_path(&daemon, "socket", "sock"), 2);
}

static bool open_as_root(void *context, const struct cm_daemon *daemon, struct cm_error *err)
{
	const char *what = context;

	if (strcmp(what, "refuse") == 0) {
		cm_error_set(err, "refused");
		return false;
	}
	return access(daemon->pid_path, R_OK) == 0;
}

static char pid_directory[] = "/tmp/cm-daemon-XXXXXX";

/* Does the work of a main(); returns the exit status of the starting process. */
static int start(const char *what)
{
	struct cm_daemon daemon = {.name = NULL};
	char line[128];
	int status;

	snprintf(line, sizeof(line), "-p %s/%s -u %s", pid_directory, what,
		 geteuid() == 0 ? "root" : getpwuid(geteuid())->pw_name);
	if (parse(&daemon, NULL, line) >= 0)
		return 20;
	status = cm_daemon_start(&daemon, open_as_root, (void *)what);
	if (status >= 0) {
		if (status == 0 && access(daemon.pid_path, R_OK) != 0)
			return 21;
		cm_daemon_end(&daemon);
		return status;
	}
	if (strcmp(what, "fail") == 0)
		status = cm_daemon_fail(&(struct cm_error){"failed on purpose"});
	else if (strcmp(what, "crash") == 0)
		kill(getpid(), SIGKILL);
	if (status < 0) {
		cm_daemon_ready(&daemon);
		cm_daemon_ready(&daemon);
		usleep(100000);
		status = 0;
	}
	cm_daemon_end(&daemon);
	_exit(status);
}

static void test_background_reports(void **state)
{
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(pid_directory));
	assert_int_equal(in_child(start, "work"), 0);
	assert_int_equal(in_child(start, "fail"), 1);
	assert_int_equal(in_child(start, "refuse"), 1);
	assert_int_equal(in_child(start, "crash"), 1);
	snprintf(path, sizeof(path), "%s/crash", pid_directory);
	assert_int_equal(unlink(path), 0);
	/* The first one ends by itself, a moment after its start. */
	while (rmdir(pid_directory) != 0)
		usleep(10000);
}

static int read_signals(const char *unused)
{
	struct cm_daemon daemon = {.name = NULL};

	(void)unused;
	if (parse(&daemon, NULL, "-f") >= 0)
		return 1;
	daemon.user = NULL;
	if (cm_daemon_start(&daemon, NULL, NULL) >= 0 || cm_daemon_next_signal(daemon.signals) != 0)
		return 2;
	raise(SIGPIPE);
	raise(SIGHUP);
	raise(SIGTERM);
	if (cm_daemon_next_signal(daemon.signals) != SIGHUP)
		return 3;
	if (cm_daemon_next_signal(daemon.signals) != SIGTERM)
		return 4;
	return cm_daemon_next_signal(daemon.signals) == 0 ? 0 : 5;
}

static void test_signals_are_read(void **state)
{
	(void)state;
	assert_int_equal(in_child(read_signals, ""), 0);
}

static int become(const char *user)
{
	struct passwd *password = getpwnam(user);

	if (!cm_privileges_drop(user, NULL))
		return 1;
	return password != NULL && getuid() == password->pw_uid && getgid() == password->pw_gid ? 0
												: 2;
}

static void test_privileges(void **state)
{
	struct cm_error err;

	(void)state;
	assert_true(cm_privileges_drop(NULL, &err));
	assert_true(cm_privileges_drop("", &err));
	assert_false(cm_privileges_drop("no-such-user-here", &err));
	assert_non_null(strstr(err.text, "no-such-user-here"));
	assert_int_equal(in_child(become, "nobody"), geteuid() == 0 ? 0 : 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pid_file_is_exclusive),
	    cmocka_unit_test(test_pid_file_of_another_kind),
	    cmocka_unit_test(test_command_line),
	    cmocka_unit_test(test_background_reports),
	    cmocka_unit_test(test_signals_are_read),
	    cmocka_unit_test(test_privileges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
