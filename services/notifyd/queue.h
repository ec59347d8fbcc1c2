/*
 * queue - the part of the notifications that is in memory, by token and by time
 *
 * An entry is one file of the queue directory: its name, when its message arrived, how often it
 * failed. Entries of one token share a target, and a target is what is sent: one request answers
 * all of them. A target waits (until its time), is ready, or is in flight; after an answer it holds
 * for QUEUE_HOLD, so that what arrives within moments goes out as one more request at the end of
 * them. What joins a target in flight stays for the next request: the one that is out may have
 * woken the phone before the newer message was there.
 *
 * Memory is bounded by the capacity, in entries. What does not fit stays on disk; the caller looks
 * again later. No I/O happens here. Times are milliseconds of a monotonic clock unless said
 * otherwise.
 */
#ifndef NOTIFYD_QUEUE_H
#define NOTIFYD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Least distance between two requests for the same token. */
#define QUEUE_HOLD 1000

/* A token is known here by the first bytes of its SHA-256 only. */
#define QUEUE_KEY_SIZE 16

/* Classes of work; each gets its turn, and the caller may bound one. */
enum queue_class {
	QUEUE_FRESH,   /* announced just now */
	QUEUE_BACKLOG, /* found by reading the directory */
	QUEUE_RETRY,   /* failed before */
	QUEUE_CLASSES
};

struct queue;
struct queue_target;

struct queue_entry {
	struct queue_entry *next;      /* in the list of its target */
	struct queue_entry *hash_next; /* internal */
	time_t arrival;                /* of the message, Unix time */
	int64_t appeared;              /* microseconds of Unix time; 0: not known any more */
	unsigned int failures;
	char name[];
};

/* An entry to be added; everything is copied. */
struct queue_item {
	const char *name;
	uint8_t key[QUEUE_KEY_SIZE];
	time_t arrival;
	int64_t appeared;
	unsigned int failures;
	int64_t due;
	enum queue_class class;
};

enum queue_admission {
	QUEUE_ADMITTED,
	QUEUE_KNOWN, /* an entry of this name is in memory */
	QUEUE_FULL,  /* no room (or no memory): it stays on disk */
};

/* NULL if out of memory. */
struct queue *queue_new(size_t capacity);
void queue_free(struct queue **queue);

bool queue_knows(const struct queue *queue, const char *name);

/* Whether an entry of this class that is due now (or not) would be admitted. Entries found by
   reading the directory leave room for those announced, and waiting ones leave room for both. */
bool queue_has_room(const struct queue *queue, enum queue_class class, bool due_now);

enum queue_admission queue_add(struct queue *queue, const struct queue_item *item, int64_t now);

/* The next target that is ready, now in flight; NULL if none of the classes (bits 1 << class) has
   one. class_r tells its class. */
struct queue_target *queue_next(struct queue *queue, unsigned int classes, int64_t now,
				enum queue_class *class_r);

/* When queue_next() may have something: now or a later time, INT64_MAX for never. */
int64_t queue_next_due(const struct queue *queue, unsigned int classes, int64_t now);

/* The entries that the request for a target in flight stands for. */
struct queue_entry *queue_target_entries(const struct queue_target *target);

/* The class queue_next() told. */
enum queue_class queue_target_class(const struct queue_target *target);

/* Forgets one entry of a target in flight (its file is gone). */
void queue_remove_entry(struct queue *queue, struct queue_target *target,
			struct queue_entry *entry);

/* The target in flight was answered and its entries have been removed. */
void queue_finish(struct queue *queue, struct queue_target *target, int64_t now);

/* It failed: its entries wait until due. If others joined meanwhile, or join later, they need not
   wait, but they are of class QUEUE_RETRY until it succeeds. */
void queue_defer(struct queue *queue, struct queue_target *target, int64_t due);

/* Drops a target in flight with all its entries from memory; the files are still there. */
void queue_forget(struct queue *queue, struct queue_target *target);

/* Tells about each entry that arrived before and is not in flight, and forgets it. */
void queue_expire(struct queue *queue, time_t before,
		  void (*expired)(void *context, const char *name), void *context);

size_t queue_length(const struct queue *queue);

/* Earliest arrival of all entries, 0 if there is none. Walks the whole queue. */
time_t queue_oldest(const struct queue *queue);

#endif
