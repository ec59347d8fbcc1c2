#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "pid_file.h"
#include "privileges.h"
#include "supervisor.h"

/* The user that our programs run as unless -u says otherwise: the owner of the mailboxes. */
#define DAEMON_USER "vmail"

/* The pipe from the signal handlers to the program. */
static int signal_pipe[2] = {-1, -1};

/* --- The command line --- */

#define COMMON_OPTIONS 4

static void collect_options(struct cm_daemon *daemon, const struct cm_option *more,
			    struct cm_option *options)
{
	const struct cm_option common[COMMON_OPTIONS] = {
	    CM_OPTION_CONFIG(&daemon->config_path),
	    {"foreground", 'f', NULL, "stay in the foreground, log to standard error",
	     cm_option_switch, &daemon->foreground, 0, 0},
	    {"pid-file", 'p', "FILE", "write the process ID to FILE, and refuse to run twice",
	     cm_option_path, &daemon->pid_path, 0, 0},
	    {"user", 'u', "USER", "become USER if started by root (" DAEMON_USER ")",
	     cm_option_text, &daemon->user, 0, 0},
	};
	size_t count = 0;

	while (count < COMMON_OPTIONS) {
		options[count] = common[count];
		count++;
	}
	while (more != NULL && more->name != NULL && count < CM_OPTIONS_MAX)
		options[count++] = *more++;
	options[count] = (struct cm_option){.name = NULL};
}

int cm_daemon_check_path(const struct cm_daemon *daemon, const char *option, const char *path)
{
	if (daemon->foreground || path == NULL || *path == '/')
		return -1;
	return cm_options_complain(
	    daemon->name, "--%s %s: must be an absolute path unless -f is given", option, path);
}

int cm_daemon_parse(struct cm_daemon *daemon, const struct cm_option *more, int argc, char **argv)
{
	struct cm_option options[CM_OPTIONS_MAX + 1];
	struct cm_command_line line = {
	    .program = daemon->name,
	    .summary = daemon->summary,
	    .closing = daemon->closing,
	    .options = options,
	};
	char synopsis[128];
	int status;

	daemon->config_path = CM_CONFIG_DEFAULT_PATH;
	daemon->pid_path = NULL;
	daemon->user = geteuid() == 0 ? DAEMON_USER : NULL;
	daemon->foreground = false;
	daemon->signals = daemon->ready_fd = daemon->pid_fd = -1;
	snprintf(synopsis, sizeof(synopsis), "[-f] [-c INI] [-p FILE] [-u USER]%s%s",
		 daemon->synopsis != NULL ? " " : "",
		 daemon->synopsis != NULL ? daemon->synopsis : "");
	line.synopsis = synopsis;
	collect_options(daemon, more, options);
	status = cm_options_parse(&line, argc, argv, NULL);
	for (const struct cm_option *option = options; status < 0 && option->name != NULL; option++)
		if (option->set == cm_option_path)
			status = cm_daemon_check_path(daemon, option->name,
						      *(const char **)option->value);
	return status;
}

/* --- The background --- */

/* Returns the exit status of the starting process. One byte means that the background process
   is ready; end of file means that it ended. It has logged the reason, unless a signal killed
   it. */
static int wait_until_ready(int fd, pid_t child)
{
	char byte;
	ssize_t length;
	int status;

	do
		length = read(fd, &byte, 1);
	while (length < 0 && errno == EINTR);
	close(fd);
	if (length == 1)
		return EXIT_SUCCESS;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	cm_log(LOG_ERR, "the background process was killed by signal %d", WTERMSIG(status));
	return EXIT_FAILURE;
}

/* Forks: -1 in the child, which has a session of its own; the exit status in the parent. */
static int go_to_background(struct cm_daemon *daemon)
{
	struct cm_error err;
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		cm_error_set_errno(&err, "cannot run in the background");
		return cm_daemon_fail(&err);
	}
	child = fork();
	if (child > 0) {
		close(fds[1]);
		return wait_until_ready(fds[0], child);
	}
	close(fds[0]);
	daemon->ready_fd = fds[1];
	if (child == 0 && setsid() >= 0 && chdir("/") == 0)
		return -1;
	cm_error_set_errno(&err, "cannot run in the background");
	return cm_daemon_fail(&err);
}

void cm_daemon_ready(struct cm_daemon *daemon)
{
	int null;

	cm_supervisor_notify("READY=1");
	if (daemon->ready_fd < 0)
		return;
	cm_log_init(daemon->name, CM_LOG_SYSLOG);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	while (write(daemon->ready_fd, "", 1) < 0 && errno == EINTR)
		;
	close(daemon->ready_fd);
	daemon->ready_fd = -1;
}

/* --- Signals --- */

/* Not signalfd(2), which requires blocked signals: a thread of a library that waits for
   signals, such as libmilter's, would get them. */
static void on_signal(int number)
{
	unsigned char byte = (unsigned char)number;
	int saved_errno = errno;

	/* If the pipe is full, the program wakes up anyway. */
	if (write(signal_pipe[1], &byte, 1) < 0)
		errno = saved_errno;
}

static bool catch_signals(struct cm_daemon *daemon, struct cm_error *err)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	/* SA_NODEFER: the signal is never blocked, see above. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	bool good = pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
		    sigaction(SIGPIPE, &ignore, NULL) == 0;

	for (size_t i = 0; good && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		good = sigaction(numbers[i], &action, NULL) == 0;
	if (!good)
		cm_error_set_errno(err, "cannot set up signals");
	daemon->signals = signal_pipe[0];
	return good;
}

int cm_daemon_next_signal(int fd)
{
	unsigned char number;

	return read(fd, &number, 1) == 1 ? number : 0;
}

/* --- Start and end --- */

/* Every connection takes a descriptor. A core dump would contain passwords, keys and mail. */
static void set_limits(void)
{
	const struct rlimit no_core = {0, 0};
	struct rlimit limit;

	setrlimit(RLIMIT_CORE, &no_core);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool open_pid_file(struct cm_daemon *daemon, struct cm_error *err)
{
	if (daemon->pid_path == NULL)
		return true;
	daemon->pid_fd = cm_pid_file_open(daemon->pid_path, err);
	return daemon->pid_fd >= 0;
}

int cm_daemon_start(struct cm_daemon *daemon, cm_daemon_open_fn *open, void *context)
{
	struct cm_error err;
	int status;

	cm_log_init(daemon->name, CM_LOG_STDERR);
	if (!daemon->foreground && (status = go_to_background(daemon)) >= 0)
		return status;
	set_limits();
	if (!catch_signals(daemon, &err) || !open_pid_file(daemon, &err) ||
	    (open != NULL && !open(context, daemon, &err)) ||
	    !cm_privileges_drop(daemon->user, &err))
		return cm_daemon_fail(&err);
	return -1;
}

int cm_daemon_fail(const struct cm_error *err)
{
	cm_log(LOG_ERR, "%s", err->text);
	return EXIT_FAILURE;
}

void cm_daemon_end(struct cm_daemon *daemon)
{
	if (daemon->pid_path != NULL)
		cm_pid_file_remove(daemon->pid_path, &daemon->pid_fd);
}
