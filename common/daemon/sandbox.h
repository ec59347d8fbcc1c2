/*
 * sandbox - limits the damage that a compromised program can do
 *
 * Three walls of the kernel's, for the rest of the process's life: no capabilities and no way to
 * gain privileges (PR_SET_NO_NEW_PRIVS), files by a list of directories and no TCP port to listen
 * on (Landlock, landlock(7)), and system calls by a list (seccomp(2), see syscall_filter.h).
 * Systemd's units say the same and more; this holds under any supervisor.
 *
 *	struct cm_sandbox sandbox = {.network = true};
 *
 *	cm_sandbox_allow_daemon(&sandbox, &daemon, config);
 *	cm_sandbox_allow_top(&sandbox, config->mailboxes_dir, CM_SANDBOX_READ);
 *	if (!cm_sandbox_enter(&sandbox, &err))
 *		...
 */
#ifndef CM_SANDBOX_H
#define CM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "daemon.h"
#include "error.h"

#define CM_SANDBOX_PATHS_MAX 16

enum cm_sandbox_access {
	CM_SANDBOX_READ,
	CM_SANDBOX_WRITE, /* and read */
};

struct cm_sandbox {
	bool network; /* more than sockets of AF_UNIX */

	/* Private. */
	struct {
		const char *path;
		size_t length;
		enum cm_sandbox_access access;
	} paths[CM_SANDBOX_PATHS_MAX];
	size_t count;
	char real_top[256];
};

/* Allows a directory and what is or will be below it, or a file, beside those that every program
   reads: libraries, /etc, /proc. One that does not exist in cm_sandbox_enter() stays out of reach.
   NULL and "" are ignored. The string is the caller's until cm_sandbox_enter(). */
void cm_sandbox_allow(struct cm_sandbox *sandbox, const char *path, enum cm_sandbox_access access);

/* The same for the directory that path is in: a socket that is to be removed. */
void cm_sandbox_allow_parent(struct cm_sandbox *sandbox, const char *path,
			     enum cm_sandbox_access access);

/* The same for the first directory of path, "/home" of "/home/vmail/mail". Landlock knows a
   directory, not its name: a file system that is mounted on it later is another one, but one that
   is mounted below it is inside. Mailboxes may be mounted while programs run. If symbolic links
   lead out of it now, the first directory of where they lead is allowed, too. Once for a sandbox.
 */
void cm_sandbox_allow_top(struct cm_sandbox *sandbox, const char *path,
			  enum cm_sandbox_access access);

/* What every background program needs: run_dir, chatmail.ini once more, and to remove its PID
   file. */
void cm_sandbox_allow_daemon(struct cm_sandbox *sandbox, const struct cm_daemon *daemon,
			     const struct cm_config *config);

/* Builds the walls. Open descriptors stay usable. Call it before the first thread: those that run
   already would be outside. Where the kernel has no Landlock or no seccomp, that wall is missing,
   which is logged. False with err filled if the kernel refuses what it has. */
bool cm_sandbox_enter(const struct cm_sandbox *sandbox, struct cm_error *err);

#endif
