/*
 * expire - one run over all mailboxes: delete old items, or list them in a dry run
 *
 * Upstream's rules (rules.h) for accounts and messages, then trimming of mailboxes that are over
 * 70 % of max_mailbox_size (maildir_trim.h), then stale entries of the push queue, temporary
 * files, and useless invitations. The run may be killed at any moment; the next one continues. It
 * passes over the accounts twice. The first pass only counts the unused ones, to refuse the whole
 * run if too many would go (a wrong clock).
 */
#ifndef EXPIRE_EXPIRE_H
#define EXPIRE_EXPIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "config.h"
#include "error.h"
#include "maildir_trim.h"
#include "rules.h"

struct expire_options {
	bool dry_run;
	bool verbose;           /* list all deletions on standard output */
	bool force;             /* even if too many accounts would be deleted */
	unsigned int max_share; /* percentage of the accounts that one run may delete */
	time_t now;
};

struct expire_result {
	uint64_t accounts;            /* with a password */
	uint64_t accounts_deleted;    /* of these */
	uint64_t seen_again;          /* kept: used during the run */
	uint64_t directories_deleted; /* empty ones without a password */
	uint64_t directories_kept;    /* without a password, but not empty */
	uint64_t messages;            /* of the accounts that stay, before the run */
	uint64_t messages_deleted;    /* of these, by age */
	uint64_t quota_messages;      /* of these, from mailboxes that were too full */
	uint64_t account_messages;    /* deleted with their account */
	uint64_t pushes_deleted;
	uint64_t invitations_deleted;
	uint64_t folders_deleted; /* without messages */
	uint64_t temporary_deleted;
	uint64_t bytes;    /* of all deleted files */
	uint64_t troubles; /* failures to read or delete, each logged */
};

enum expire_status {
	EXPIRE_DONE,
	EXPIRE_REFUSED, /* err is the reason. A real run did nothing; a dry run was completed */
	EXPIRE_TROUBLE, /* nothing was done, or result->troubles counts the failures */
};

enum expire_status expire_run(const struct cm_config *config, const struct expire_options *options,
			      struct expire_result *result, struct cm_error *err);

#endif
