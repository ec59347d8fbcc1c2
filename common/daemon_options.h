/*
 * daemon_options - the command line that our background programs have in common
 *
 *	-c, --config INI   -f, --foreground   -p, --pid-file FILE   -u, --user USER
 *	-h, --help   -V, --version
 */
#ifndef CM_DAEMON_OPTIONS_H
#define CM_DAEMON_OPTIONS_H

#include <stdbool.h>

/* Whom our programs run as unless told otherwise: the mailboxes' owner. */
#define CM_DAEMON_USER "vmail"

struct cm_daemon_options {
	const char *config_path;
	const char *pid_path; /* NULL: none */
	const char *user; /* for cm_daemon_drop_privileges(): CM_DAEMON_USER if root started us */
	bool foreground;
};

/* Returns -1 to go on, else the exit status: 0 after --help or --version, 2 if the line is wrong,
   which has been said on standard error. The strings point into argv. */
int cm_daemon_options_parse(const char *program, int argc, char **argv,
			    struct cm_daemon_options *options_r);

#endif
