/*
 * mail_queue - the mail in Postfix's queue, by destination
 *
 * Read with `postqueue -j`. No mail address is kept: a destination is a domain, and reasons are
 * redacted.
 */
#ifndef CM_MAIL_QUEUE_H
#define CM_MAIL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "error.h"

/* Replaces all names that cannot be a domain. */
#define CM_DESTINATION_MALFORMED "(malformed)"

/* True if it contains only characters of domains and address literals. */
bool cm_destination_is_valid(const char *name);

struct cm_destination {
	char *name;      /* lower case; valid, or CM_DESTINATION_MALFORMED */
	uint64_t count;  /* recipients in the queue */
	uint64_t failed; /* of these: attempted before */
	uint64_t bytes;  /* of the messages, once for each recipient */
	time_t oldest;   /* when the oldest message arrived */
	char *reason;    /* the reason why the oldest of them waits; NULL: no attempt yet */
	time_t reason_of;
};

struct cm_mail_queue {
	struct cm_destination *list; /* the oldest first */
	size_t count, room;
	uint64_t active, deferred, hold; /* messages */
};

/* False with err filled if Postfix's queue cannot be read. Free with cm_mail_queue_free(). */
bool cm_mail_queue_read(struct cm_mail_queue *queue_r, struct cm_error *err);
void cm_mail_queue_free(struct cm_mail_queue *queue);

/* One recipient of a queued message. */
struct cm_queued {
	const char *id, *queue; /* "4Xy…", "deferred" */
	const char *address;
	const char *reason; /* NULL: no attempt yet */
	time_t arrived;
	uint64_t bytes;
	bool first; /* recipient of its message */
};

/* False if out of memory: then it is not called again. */
typedef bool cm_queued_fn(const struct cm_queued *queued, void *context);

/* Calls visit for each recipient of every message. False with err filled if Postfix's queue
   cannot be read, or if visit returned false. */
bool cm_mail_queue_each(cm_queued_fn *visit, void *context, struct cm_error *err);

#endif
