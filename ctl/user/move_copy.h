/*
 * move_copy - the copies of an account that is being moved
 *
 * The calls run commands on other machines. They return false with job.err filled.
 */
#ifndef CM_MOVE_COPY_H
#define CM_MOVE_COPY_H

#include <stdbool.h>

#include "backends.h"
#include "user_job.h"

struct cm_move {
	struct cm_user_job job;
	const char *rsh; /* the command that reaches a machine: "ssh" */
	struct cm_address address;
	char from[CM_BACKEND_HOST_SIZE], to[CM_BACKEND_HOST_SIZE];
};

/* The copy of an account on a backend. Of several, the one with the highest value counts. */
enum cm_move_copy {
	CM_MOVE_NO_COPY,
	CM_MOVE_ARRIVING, /* blocked, and may be incomplete */
	CM_MOVE_LEAVING,  /* blocked */
	CM_MOVE_IN_USE,
};

/* Finds out which copy a backend has. */
bool cm_move_look(struct cm_move *move, const char *host, enum cm_move_copy *copy_r);

/* Makes the new copy of the mail equal to the old one. */
bool cm_move_mail(struct cm_move *move);

/* The same for the password, the flags and the push tokens. The new copy must be blocked. */
bool cm_move_files(struct cm_move *move);

/* Makes or removes (NULL) the account's link on a machine: see backends.h. */
bool cm_move_link(struct cm_move *move, const char *host, const char *target);

/* Blocks the old copy, ends its sessions and waits for changes in progress. */
bool cm_move_block(struct cm_move *move);

/* Deletes a blocked copy. Its link stays for a while. */
bool cm_move_delete(struct cm_move *move, const char *host);

#endif
