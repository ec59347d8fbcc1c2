/*
 * reload - the servers that read their files again at a command
 */
#ifndef CM_RELOAD_H
#define CM_RELOAD_H

#include <stdbool.h>

struct cm_reload {
	const char *name;
	const char *pid_file;
	const char *directory; /* of its configuration, with a slash at the end */
	const char *const command[4];
};

#define CM_RELOAD_COUNT 3

extern const struct cm_reload cm_reloads[CM_RELOAD_COUNT];

/* True if the process in the PID file runs. */
bool cm_reload_runs(const struct cm_reload *server);

#endif
