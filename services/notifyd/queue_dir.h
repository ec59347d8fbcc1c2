/*
 * queue_dir - the push queue on disk, as the notifier sees it
 *
 * Reads entries with bounds and without following links, watches for new ones (inotify), walks
 * the directory in small steps. Names that start with '.' or end in ".tmp" are files still being
 * written (ours and upstream's) and are never shown. Watching may be impossible, because idle
 * clients use up the same user's inotify instances; then only walks find new entries.
 */
#ifndef NOTIFYD_QUEUE_DIR_H
#define NOTIFYD_QUEUE_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "error.h"
#include "push_queue.h"

struct queue_dir;

/* Opens the directory; creates it if only its last component is missing. NULL with err filled
   if it cannot be read or if files in it could not be removed. */
struct queue_dir *queue_dir_open(const char *path, struct cm_error *err);
void queue_dir_close(struct queue_dir **dir);

/* True if the path still leads to the directory that was opened. inotify does not report that
   it was removed while it is open here, or that a file system was mounted over it. */
bool queue_dir_is_current(const struct queue_dir *dir);

/* Begins to watch: queue_dir_events() reports new names from now on. False with err filled if
   that is impossible now, which may be temporary. */
bool queue_dir_watch(struct queue_dir *dir, struct cm_error *err);

/* Readable when queue_dir_events() has something to report; -1 while nothing is watched. */
int queue_dir_fd(const struct queue_dir *dir);

#define QUEUE_DIR_MISSED 1U /* events were lost: walk the directory */
#define QUEUE_DIR_GONE   2U /* the directory was moved away: reopen it */

/* Reports names that appeared, one buffer of events at a time. Returns QUEUE_DIR_... bits. */
unsigned int queue_dir_events(struct queue_dir *dir,
			      void (*appeared)(void *context, const char *name), void *context);

/* Begins to walk from the start. False if the directory cannot be read. */
bool queue_dir_walk_begin(struct queue_dir *dir);
/* The next name, valid until the next call; NULL at the end, which ends the walk. */
const char *queue_dir_walk_next(struct queue_dir *dir);
bool queue_dir_walking(const struct queue_dir *dir);

/* The current number of entries in the directory. Reads only names, but all of them. */
uint64_t queue_dir_count(const struct queue_dir *dir);

enum queue_dir_result {
	QUEUE_DIR_ENTRY,
	QUEUE_DIR_ABSENT,    /* the file does not exist any more */
	QUEUE_DIR_DIRECTORY, /* not our file: leave it alone */
	QUEUE_DIR_INVALID,   /* not a notification: too long, not a file, unreadable, or not in the
				format */
	QUEUE_DIR_TROUBLE,   /* cannot be read now */
};

/* Reads one entry; *stamp_r is its modification time, set for QUEUE_DIR_ENTRY and
   QUEUE_DIR_INVALID. */
enum queue_dir_result queue_dir_read(const struct queue_dir *dir, const char *name,
				     struct cm_push_entry *entry_r, struct timespec *stamp_r);

/* Removes a file. True if it is gone, whichever process removed it. */
bool queue_dir_remove(const struct queue_dir *dir, const char *name);

/* Sets the modification time, which contains the schedule's state. */
bool queue_dir_stamp(const struct queue_dir *dir, const char *name, const struct timespec *stamp);

#endif
