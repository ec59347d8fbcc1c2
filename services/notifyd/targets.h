/*
 * targets - the notifications in memory, by token and by time
 *
 * An entry is one file of the push queue: its name, the arrival of its message, and the number of
 * failures. Entries with one token share a target, and one request is sent for a target with all
 * its entries. A target waits (until its time), is ready, or is in flight; after a reply it is
 * held for TARGET_HOLD, so that entries that arrive shortly after are sent as one more request.
 * Entries that join a target in flight wait for the next request: the current one may have woken
 * the phone before the newer message arrived.
 *
 * Memory is bounded by the capacity, in entries. Entries that do not fit stay on disk; the caller
 * reads them later. No I/O happens here. Times are milliseconds of a monotonic clock unless said
 * otherwise.
 */
#ifndef NOTIFYD_TARGETS_H
#define NOTIFYD_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Minimum time between two requests for the same token. */
#define TARGET_HOLD 1000

/* A token is identified here only by the first bytes of its SHA-256. */
#define TARGET_KEY_SIZE 16

/* Classes of work; each gets its turn, and the caller may bound one. */
enum target_class {
	TARGET_FRESH,   /* announced just now */
	TARGET_BACKLOG, /* found by reading the directory */
	TARGET_RETRY,   /* failed before */
	TARGET_CLASSES
};

struct targets;
struct target;

struct target_entry {
	struct target_entry *next;      /* in the list of its target */
	struct target_entry *hash_next; /* internal */
	time_t arrival;                 /* of the message, Unix time */
	int64_t appeared;               /* microseconds of Unix time; 0: unknown */
	unsigned int failures;
	char name[];
};

/* An entry to be added; everything is copied. */
struct target_item {
	const char *name;
	uint8_t key[TARGET_KEY_SIZE];
	time_t arrival;
	int64_t appeared;
	unsigned int failures;
	int64_t due;
	enum target_class class;
};

enum target_admission {
	TARGET_ADMITTED,
	TARGET_KNOWN, /* an entry of this name is in memory */
	TARGET_FULL,  /* no room (or no memory): it stays on disk */
};

/* NULL if out of memory. */
struct targets *targets_new(size_t capacity);
void targets_free(struct targets **targets);

bool targets_knows(const struct targets *targets, const char *name);

/* True if an entry of this class that is due now (or not) would be accepted. Entries found by
   reading the directory leave room for those announced, and waiting ones leave room for both. */
bool targets_has_room(const struct targets *targets, enum target_class class, bool due_now);

enum target_admission targets_add(struct targets *targets, const struct target_item *item,
				  int64_t now);

/* The next ready target, which is in flight from now on; NULL if none of the classes (bits 1
   << class) has one. class_r gets its class. */
struct target *targets_next(struct targets *targets, unsigned int classes, int64_t now,
			    enum target_class *class_r);

/* The next time at which targets_next() may return something; INT64_MAX: never. */
int64_t targets_next_due(const struct targets *targets, unsigned int classes, int64_t now);

/* The entries of a target in flight. */
struct target_entry *target_entries(const struct target *target);

/* The class that targets_next() returned. */
enum target_class target_class(const struct target *target);

/* Removes one entry of a target in flight (its file is gone). */
void targets_remove_entry(struct targets *targets, struct target *target,
			  struct target_entry *entry);

/* The target in flight was answered, and its entries have been removed. */
void targets_finish(struct targets *targets, struct target *target, int64_t now);

/* The request failed: its entries wait until due. Entries that joined meanwhile, or join
   later, need not wait, but are of class TARGET_RETRY until it succeeds. */
void targets_defer(struct targets *targets, struct target *target, int64_t due);

/* Drops a target in flight with all its entries from memory; the files are still there. */
void targets_forget(struct targets *targets, struct target *target);

/* Reports each entry that arrived before this time and is not in flight, and removes it. */
void targets_expire(struct targets *targets, time_t before,
		    void (*expired)(void *context, const char *name), void *context);

size_t targets_length(const struct targets *targets);

/* Earliest arrival of all entries; 0 without entries. Walks all targets. */
time_t targets_oldest(const struct targets *targets);

#endif
