/*
 * spool - the queue directory on disk, as the notifier sees it
 *
 * Reads entries with bounds and without following links, watches for new ones (inotify), walks the
 * directory in small steps. Names that start with '.' or end in ".tmp" are files still being
 * written (ours and upstream's) and are never shown. Watching may be impossible, for idling clients
 * use up the same user's inotify instances; then walks alone find what is new.
 */
#ifndef NOTIFYD_SPOOL_H
#define NOTIFYD_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "error.h"
#include "push_queue.h"

struct spool;

/* Opens the directory, which is made if only it is missing. NULL with err filled if it cannot be
   read or if files in it could not be removed. */
struct spool *spool_open(const char *path, struct cm_error *err);
void spool_close(struct spool **spool);

/* Whether the path still leads to the directory that was opened. No event tells that it was removed
   while it is open here, or that a file system was mounted over it. */
bool spool_is_current(const struct spool *spool);

/* Begins to watch: what appears from now on is told by spool_events(). False with err filled if
   that is impossible now; trying again later makes sense. */
bool spool_watch(struct spool *spool, struct cm_error *err);

/* Readable when spool_events() has something to tell; -1 while nothing is watched. */
int spool_fd(const struct spool *spool);

#define SPOOL_MISSED 1U /* events were lost: walk the directory */
#define SPOOL_GONE   2U /* the directory was moved away: open it anew */

/* Tells about the names that appeared, one buffer of events at a time. Returns SPOOL_... bits. */
unsigned int spool_events(struct spool *spool, void (*appeared)(void *context, const char *name),
			  void *context);

/* Begins to walk from the start. False if the directory cannot be read. */
bool spool_walk_begin(struct spool *spool);
/* The next name, valid until the next call; NULL at the end (and then nothing is being walked). */
const char *spool_walk_next(struct spool *spool);
bool spool_walking(const struct spool *spool);

/* The number of entries in the directory just now. Reads names only, but all of them. */
uint64_t spool_count(const struct spool *spool);

enum spool_result {
	SPOOL_ENTRY,
	SPOOL_ABSENT,    /* there is no such file any more */
	SPOOL_DIRECTORY, /* not ours: leave it alone */
	SPOOL_INVALID,   /* no notification: too long, no file, unreadable, or not in the format */
	SPOOL_TROUBLE,   /* cannot be read now */
};

/* Reads one entry; *stamp_r is its modification time, set for SPOOL_ENTRY and SPOOL_INVALID. */
enum spool_result spool_read(const struct spool *spool, const char *name,
			     struct cm_push_entry *entry_r, struct timespec *stamp_r);

/* Removes a file. True if it is gone, by whomever. */
bool spool_remove(const struct spool *spool, const char *name);

/* Sets the modification time, which is where the schedule's state is kept. */
bool spool_stamp(const struct spool *spool, const char *name, const struct timespec *stamp);

#endif
