/*
 * daemon - what every background program of ours does at its start and its end
 *
 * The order in a main(): read the configuration, cm_daemon_background() unless -f was given,
 * cm_daemon_signals() before the first thread, cm_daemon_drop_privileges(), cm_daemon_pid_file(),
 * open what is needed, cm_daemon_ready(), work. Nothing here exits; the caller's main() does.
 */
#ifndef CM_DAEMON_H
#define CM_DAEMON_H

#include <stdbool.h>

#include "error.h"

/* Becomes the user for good: user id, primary and supplementary groups. A process that is this user
   already keeps what it has; one that is somebody else and not root fails. NULL or "" for the user
   changes nothing. */
bool cm_daemon_drop_privileges(const char *user, struct cm_error *err);

enum cm_daemon_role {
	CM_DAEMON_CHILD,   /* the background process: go on */
	CM_DAEMON_STARTED, /* the caller, and the background process is ready: end with success */
	CM_DAEMON_FAILED,  /* the caller, and the background process is not to be: err is filled */
};

/* Forks into the background: a session of its own, "/" as the working directory. The calling
   process waits until the child calls cm_daemon_ready() or ends, so whoever started it learns
   whether it runs. The child gets in *ready_fd_r what cm_daemon_ready() wants. Standard error stays
   open in the child until then, for its complaints. */
enum cm_daemon_role cm_daemon_background(int *ready_fd_r, struct cm_error *err);

/* Tells the waiting parent that the program runs, points standard input, output and error to
   /dev/null, and sets *ready_fd to -1. With -1 (the program is in the foreground) nothing is done.
 */
void cm_daemon_ready(int *ready_fd);

/* Writes the process id and keeps the file locked as long as the result, a file descriptor, is
   open: -1 with err filled if another process holds the lock. The file must be writable by the user
   that the program runs as. */
int cm_daemon_pid_file(const char *path, struct cm_error *err);

/* Removes the file and closes the descriptor; sets it to -1. -1 does nothing. */
void cm_daemon_pid_file_remove(const char *path, int *fd);

/* From here on SIGTERM, SIGINT, SIGHUP and SIGUSR1 are read from the returned descriptor
   (non-blocking, close-on-exec) instead of interrupting, in this thread and those it starts later;
   SIGPIPE is ignored. -1 with err filled on failure. */
int cm_daemon_signals(struct cm_error *err);

/* The next signal that waits in the descriptor, or 0. */
int cm_daemon_next_signal(int fd);

#endif
