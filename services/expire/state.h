/*
 * state - the state that the parts of one expiry run share
 */
#ifndef EXPIRE_STATE_H
#define EXPIRE_STATE_H

#include "expire.h"

struct expire_state {
	const struct cm_config *config;
	const struct expire_options *options;
	struct expire_rules rules;
	int mailboxes_fd;
	int trash_fd; /* -1 in a dry run, and while it cannot be opened */
	struct expire_result *result;
};

/* Lists a deletion on standard output, if requested: "delete WHAT PATH…", with the parts of
   the path joined by '/', empty ones omitted, unprintable bytes as '?'. */
void expire_list_deletion(const struct expire_state *state, const char *what, const char *mailbox,
			  const char *directory, const char *name);

/* Logs and counts a failure that does not stop the run. mailbox may be NULL. */
void expire_trouble(struct expire_state *state, const char *mailbox, const struct cm_error *err);

#endif
