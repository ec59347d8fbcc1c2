/*
 * quota - a full mailbox is trimmed: the oldest messages go until it fits
 *
 * What counts is what Dovecot's quota counts: the messages in cur and new of the mailbox and of all
 * its folders, each with the size in its name (",S="), else the size of the file. Their age is the
 * time of delivery in the name, else the file's modification time. A message delivered within the
 * last 24 hours stays even if the mailbox remains too full: then something is wrong with that
 * account, and the quota warning is what tells its owner.
 */
#ifndef EXPIRE_QUOTA_H
#define EXPIRE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "error.h"
#include "rules.h"

/* Messages remembered at a time; a mailbox with more is trimmed in several rounds. */
#define EXPIRE_QUOTA_ROUND 65536

/* Told about each deleted message. */
typedef void expire_deleted_fn(const char *directory, const char *name, void *context);

struct expire_quota {
	int mailbox_fd;
	uint64_t target; /* bytes */
	time_t now;
	/* Messages that these rules delete are taken to be gone already; NULL: none are. */
	const struct expire_rules *rules;
	bool dry_run;
	expire_deleted_fn *deleted; /* may be NULL */
	void *context;
};

struct expire_quota_result {
	uint64_t messages; /* deleted */
	uint64_t bytes;    /* of the deleted, as quota counts */
};

/* The size that quota counts and the time of delivery of one file. False if it does not count. */
bool expire_quota_measure(const struct cm_maildir_file *file, uint64_t *size_r, time_t *time_r);

/* Trims. False with err filled if the mailbox cannot be read or a message cannot be deleted;
 *result says what was done until then. */
bool expire_quota_trim(const struct expire_quota *quota, struct expire_quota_result *result,
		       struct cm_error *err);

/* Makes Dovecot count the mailbox anew after messages were deleted. */
bool expire_quota_recount(int mailbox_fd, struct cm_error *err);

#endif
