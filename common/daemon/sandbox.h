/*
 * sandbox - limits the damage that a compromised program can do
 *
 * Uses three mechanisms of the kernel, for the rest of the process's life: no capabilities and no
 * way to gain privileges (PR_SET_NO_NEW_PRIVS), files by a list of directories and no TCP port to
 * listen on (Landlock, landlock(7)), and system calls by a list (seccomp(2), see
 * syscall_filter.h). systemd's units set the same limits and more; these apply under any
 * supervisor.
 *
 *	struct cm_sandbox sandbox = {.network = true};
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

/* Allows a directory and all that is or will be below it, or a file, beside those that every
   program reads: libraries, /etc, /proc. A path that does not exist at cm_sandbox_enter() is
   not allowed. NULL and "" are ignored. The string must stay valid until cm_sandbox_enter(). */
void cm_sandbox_allow(struct cm_sandbox *sandbox, const char *path, enum cm_sandbox_access access);

/* The same for the directory that contains path: a socket that is to be removed. */
void cm_sandbox_allow_parent(struct cm_sandbox *sandbox, const char *path,
			     enum cm_sandbox_access access);

/* The same for the first directory of path, "/home" of "/home/vmail/mail". Landlock identifies
   a directory, not its name: a file system that is mounted on it later is not allowed, but one
   that is mounted below it is. So mailboxes may be mounted while programs run. If symbolic
   links in path lead elsewhere now, the first directory of their target is allowed, too. Call
   it once for a sandbox. */
void cm_sandbox_allow_top(struct cm_sandbox *sandbox, const char *path,
			  enum cm_sandbox_access access);

/* The needs of every background program: run_dir, chatmail.ini for reloads, and the removal of
   its PID file. */
void cm_sandbox_allow_daemon(struct cm_sandbox *sandbox, const struct cm_daemon *daemon,
			     const struct cm_config *config);

/* Enters the sandbox. Open descriptors stay usable. Call it before the first thread: running
   threads would stay outside. If the kernel lacks Landlock or seccomp, that part is missing,
   which is logged. False with err filled if the kernel refuses a part that it has. */
bool cm_sandbox_enter(const struct cm_sandbox *sandbox, struct cm_error *err);

#endif
