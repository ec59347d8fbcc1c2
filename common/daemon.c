/*
 * daemon - what every background program of ours does at its start and its end
 *
 * See daemon.h. The pid file's lock is one of fcntl(): it vanishes with the process, however that
 * ends, so a file left behind by a crash blocks nobody.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Looks the user up. False with err filled if there is no such user. */
static bool find_user(const char *user, struct passwd **password_r, struct cm_error *err)
{
	errno = 0;
	*password_r = getpwnam(user);
	if (*password_r != NULL)
		return true;
	if (errno != 0)
		cm_error_set_errno(err, "cannot look up user %s", user);
	else
		cm_error_set(err, "there is no user %s", user);
	return false;
}

bool cm_daemon_drop_privileges(const char *user, struct cm_error *err)
{
	struct passwd *password;

	if (user == NULL || *user == '\0')
		return true;
	if (!find_user(user, &password, err))
		return false;
	if (geteuid() != 0) {
		if (geteuid() == password->pw_uid)
			return true;
		cm_error_set(err, "cannot become user %s: not started by root", user);
		return false;
	}
	if (initgroups(user, password->pw_gid) != 0 || setgid(password->pw_gid) != 0 ||
	    setuid(password->pw_uid) != 0) {
		cm_error_set_errno(err, "cannot become user %s", user);
		return false;
	}
	if (password->pw_uid != 0 && setuid(0) == 0) {
		cm_error_set(err, "user %s could become root again", user);
		return false;
	}
	return true;
}

/* The parent's part: one byte means that the child is ready, end of file that it ended. */
static enum cm_daemon_role wait_until_ready(int fd, pid_t child, struct cm_error *err)
{
	char byte;
	ssize_t length;
	int status;

	do
		length = read(fd, &byte, 1);
	while (length < 0 && errno == EINTR);
	close(fd);
	if (length == 1)
		return CM_DAEMON_STARTED;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	cm_error_set(err, "the background process ended before it was ready");
	return CM_DAEMON_FAILED;
}

enum cm_daemon_role cm_daemon_background(int *ready_fd_r, struct cm_error *err)
{
	int fds[2];
	pid_t child;

	*ready_fd_r = -1;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		cm_error_set_errno(err, "cannot go to the background");
		return CM_DAEMON_FAILED;
	}
	child = fork();
	if (child < 0) {
		cm_error_set_errno(err, "cannot go to the background");
		close(fds[0]);
		close(fds[1]);
		return CM_DAEMON_FAILED;
	}
	if (child > 0) {
		close(fds[1]);
		return wait_until_ready(fds[0], child, err);
	}
	close(fds[0]);
	*ready_fd_r = fds[1];
	if (setsid() < 0 || chdir("/") != 0) {
		cm_error_set_errno(err, "cannot go to the background");
		return CM_DAEMON_FAILED;
	}
	return CM_DAEMON_CHILD;
}

void cm_daemon_ready(int *ready_fd)
{
	int null;

	if (*ready_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	while (write(*ready_fd, "", 1) < 0 && errno == EINTR)
		;
	close(*ready_fd);
	*ready_fd = -1;
}

int cm_daemon_pid_file(const char *path, struct cm_error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[24];
	int fd, length;

	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		cm_error_set_errno(err, "cannot open %s", path);
		return -1;
	}
	if (fcntl(fd, F_SETLK, &lock) != 0) {
		if (errno == EACCES || errno == EAGAIN)
			cm_error_set(err, "%s is locked: the program runs already", path);
		else
			cm_error_set_errno(err, "cannot lock %s", path);
		goto fail;
	}
	length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)length) != length) {
		cm_error_set_errno(err, "cannot write %s", path);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

void cm_daemon_pid_file_remove(const char *path, int *fd)
{
	if (*fd < 0)
		return;
	unlink(path);
	close(*fd);
	*fd = -1;
}

int cm_daemon_signals(struct cm_error *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
		cm_error_set_errno(err, "cannot set up signals");
		return -1;
	}
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		cm_error_set_errno(err, "cannot set up signals");
	return fd;
}

int cm_daemon_next_signal(int fd)
{
	struct signalfd_siginfo information;

	if (read(fd, &information, sizeof information) != (ssize_t)sizeof information)
		return 0;
	return (int)information.ssi_signo;
}
