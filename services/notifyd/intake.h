/*
 * intake - read entries from the push queue into memory
 *
 * Inotify reports new entries; a walk over the directory finds the rest: at the start, after lost
 * events, when entries were left on disk for lack of room, and now and then as a safety net, or
 * all the time while inotify is not available. A walk goes in small steps between other work and
 * pauses while there is no room.
 */
#ifndef NOTIFYD_INTAKE_H
#define NOTIFYD_INTAKE_H

#include "notifier_state.h"

/* Begins to watch the directory, if it is not watched yet. */
void intake_watch(struct notifier *notifier);
/* Reads the events of inotify. */
void intake_events(struct notifier *notifier);
/* Checks that the path still leads to the directory that was opened; if not, the notifier is
   broken. */
void intake_check(struct notifier *notifier);
/* Makes some steps of a walk, if one is due and there is room. */
void intake_walk(struct notifier *notifier, int64_t now);
/* The time when intake_walk() is to be called again. */
int64_t intake_due(const struct notifier *notifier, int64_t now);
/* An entry was left on disk, or has to be; it is due at this time. */
void intake_leave(struct notifier *notifier, int64_t due);
/* Drops entries in memory that are too old, also while no requests are sent. */
void intake_expire(struct notifier *notifier);

#endif
