/*
 * maildir_trim - delete the oldest messages of a full mailbox until it fits
 *
 * It counts the same messages as Dovecot's quota: those in cur and new of the mailbox and of all
 * its folders, each with the size in its name (",S="), or without one the size of the file. Their
 * age is the time of delivery in the name, else the file's modification time. A message delivered
 * within the last 24 hours stays even if the mailbox remains too full.
 */
#ifndef CM_MAILDIR_TRIM_H
#define CM_MAILDIR_TRIM_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "config.h"
#include "error.h"
#include "maildir_walk.h"

/* Called for each deleted message; directory is relative to the mailbox. */
typedef void cm_maildir_deleted_fn(const char *directory, const char *name, void *context);

/* True if a message counts as already deleted. */
typedef bool cm_maildir_gone_fn(const struct cm_maildir_file *file, void *context);

struct cm_maildir_trim {
	int mailbox_fd;
	uint64_t target; /* bytes */
	time_t now;
	bool dry_run;
	cm_maildir_gone_fn *gone;       /* may be NULL: no message counts as deleted */
	cm_maildir_deleted_fn *deleted; /* may be NULL */
	void *context;
};

struct cm_maildir_trim_result {
	uint64_t messages; /* deleted */
	uint64_t bytes;    /* of deleted messages, as quota counts them */
};

/* The size in bytes to which a full mailbox of this relay is trimmed. */
uint64_t cm_maildir_trim_target(const struct cm_config *config);

/* The size that quota counts and the time of delivery of one file. False if quota does not
   count the file. */
bool cm_maildir_measure(const struct cm_maildir_file *file, uint64_t *size_r, time_t *time_r);

/* Trims. False with err filled if the mailbox cannot be read or a message cannot be
   deleted; *result has the counts up to then. */
bool cm_maildir_trim(const struct cm_maildir_trim *trim, struct cm_maildir_trim_result *result,
		     struct cm_error *err);

/* Makes Dovecot recount the mailbox after messages were deleted. */
bool cm_maildir_recount(int mailbox_fd, struct cm_error *err);

#endif
