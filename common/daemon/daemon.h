/*
 * daemon - the start and the end of every background program
 *
 * A main() consists of four calls and the program's own part:
 *
 *	struct cm_daemon daemon = {.name = "chatmail-x", .summary = "Does this and that."};
 *	int status = cm_daemon_parse(&daemon, NULL, argc, argv);
 *
 *	if (status < 0)
 *		status = cm_daemon_start(&daemon, open_sockets, &program);
 *	if (status < 0)
 *		status = run(&program, &daemon);
 *	cm_daemon_end(&daemon);
 *	return status;
 *
 * run() loads the configuration, prepares its work, calls cm_daemon_ready(), and works until
 * cm_daemon_next_signal() returns SIGTERM or SIGINT. The log (log.h) goes to standard error until
 * cm_daemon_ready(), so that the shell or service manager sees why the program does not start;
 * after that a background program logs to syslog. Nothing here exits.
 */
#ifndef CM_DAEMON_H
#define CM_DAEMON_H

#include <stdbool.h>

#include "error.h"
#include "options.h"

struct cm_daemon {
	/* Set by the caller. */
	const char *name;
	const char *synopsis;          /* for its own options: "[-s SOCKET]", or NULL */
	const char *summary, *closing; /* for --help, see struct cm_command_line */

	/* Set by cm_daemon_parse(). */
	const char *config_path;
	const char *pid_path; /* NULL: none */
	const char *user;     /* NULL: keep the current user */
	bool foreground;

	/* Set by cm_daemon_start(): readable when a signal has arrived. */
	int signals;

	/* Private. */
	int ready_fd, pid_fd;
};

/* Parses the command line: -c, -f, -p, -u and the program's own options (may be NULL). In the
   background the working directory is "/", so a relative path of an option with cm_option_path() is
   an error without -f. Returns -1 to go on, else the exit status. */
int cm_daemon_parse(struct cm_daemon *daemon, const struct cm_option *more, int argc, char **argv);

/* The same rule for a path that is only a part of an option's value. path may be NULL. Returns -1
   or the exit status. */
int cm_daemon_check_path(const struct cm_daemon *daemon, const char *option, const char *path);

/* Opens resources that need privileges: ports, sockets in system directories. */
typedef bool cm_daemon_open_fn(void *context, const struct cm_daemon *daemon, struct cm_error *err);

/* In this order: goes to the background unless -f was given, raises the limit of descriptors,
   catches signals, writes the PID file, calls open (may be NULL) and drops privileges. No
   thread may run yet. Returns -1 in the process that does the work, otherwise the exit status;
   the starting process returns once the background process is ready or has ended. */
int cm_daemon_start(struct cm_daemon *daemon, cm_daemon_open_fn *open, void *context);

/* The program is ready: the starting process may exit. A second call does nothing. */
void cm_daemon_ready(struct cm_daemon *daemon);

/* Logs an error that ends the program at its start or later. Returns the exit status. */
int cm_daemon_fail(const struct cm_error *err);

/* Removes the PID file. May be called even if the start failed. */
void cm_daemon_end(struct cm_daemon *daemon);

/* The next signal that arrived of SIGTERM, SIGINT, SIGHUP and SIGUSR1, or 0. fd is
   daemon->signals. SIGPIPE is ignored. */
int cm_daemon_next_signal(int fd);

#endif
