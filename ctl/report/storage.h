/*
 * storage - the size of the mailboxes, and when their owners were last seen
 *
 * The numbers of upstream's report (chatmail/relay, chatmaild/fsreport.py), and the messages by
 * age. Accounts whose name starts with "ci-" are machines that test the relay: they are counted
 * apart.
 */
#ifndef CM_STORAGE_H
#define CM_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "error.h"
#include "maildir_walk.h"

#define CM_STORAGE_SEEN_COUNT 7
#define CM_STORAGE_SIZE_COUNT 7
#define CM_STORAGE_AGE_COUNT  8

/* Days, bytes and days, ascending. */
extern const unsigned int cm_storage_seen_days[CM_STORAGE_SEEN_COUNT];
extern const uint64_t cm_storage_sizes[CM_STORAGE_SIZE_COUNT];
extern const unsigned int cm_storage_age_days[CM_STORAGE_AGE_COUNT];

/* Selects the messages in the classes below. The totals include all messages. */
struct cm_storage_filter {
	time_t now;
	unsigned int min_login_age; /* days: only accounts that have not been seen for this time */
	enum cm_maildir_part part;  /* only messages in this part; CM_MAILDIR_EXTRA: everywhere */
};

struct cm_storage_class {
	uint64_t count;
	uint64_t bytes;
};

struct cm_storage {
	uint64_t accounts; /* with a password */
	uint64_t ci_accounts;
	uint64_t without_password;              /* directories that are not accounts */
	uint64_t active[CM_STORAGE_SEEN_COUNT]; /* not ci, seen within this number of days */
	struct cm_storage_class messages;
	struct cm_storage_class extra; /* everything else in the mailboxes */
	struct cm_storage_class by_size[CM_STORAGE_SIZE_COUNT]; /* at least this number of bytes */
	struct cm_storage_class by_age[CM_STORAGE_AGE_COUNT]; /* at least this number of days old */
	uint64_t troubles; /* mailboxes that could not be read completely */
};

/* Reads all mailboxes, with a progress line on a terminal. False with err filled if mailboxes_dir
   cannot be read. */
bool cm_storage_collect(struct cm_storage *storage, const struct cm_storage_filter *filter,
			const char *mailboxes_dir, struct cm_error *err);

/* Texts, malloc'd; NULL if out of memory. */
char *cm_storage_text(const struct cm_storage *storage, const struct cm_storage_filter *filter);
char *cm_storage_json(const struct cm_storage *storage, const struct cm_storage_filter *filter);
/* Prometheus' text format, for node_exporter's textfile collector; upstream's metric names. */
char *cm_storage_prometheus(const struct cm_storage *storage);

#endif
