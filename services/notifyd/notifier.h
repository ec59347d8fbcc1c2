/*
 * notifier - from the push queue to the push service
 *
 * One loop in one thread: inotify and the walk fill the queue (intake.c), the gate limits
 * requests, replies remove, stamp or drop entries (delivery.c). All persistent state is in the
 * directory, so a notifier may be freed, or killed, at any time and another one continues.
 */
#ifndef NOTIFYD_NOTIFIER_H
#define NOTIFYD_NOTIFIER_H

#include "config.h"
#include "error.h"
#include "stats.h"

struct notifier;

/* Opens the push queue of the configuration. The configuration and the statistics (may be
   NULL) are borrowed and must outlive the notifier. NULL with err filled on failure, which may
   be temporary. */
struct notifier *notifier_new(const struct cm_config *config, struct cm_stats *stats,
			      struct cm_error *err);
void notifier_free(struct notifier **notifier);

/* Sets another configuration with the same push queue and service. */
void notifier_set_config(struct notifier *notifier, const struct cm_config *config);

enum notifier_event {
	NOTIFIER_DONE,      /* the work is done */
	NOTIFIER_TERMINATE, /* SIGTERM or SIGINT */
	NOTIFIER_HANGUP,    /* SIGHUP */
	NOTIFIER_LOST,      /* the directory disappeared, or the network library failed: restart */
};

/* Works until an event occurs, never NOTIFIER_DONE; may be called again. signals: that of
   struct cm_daemon. */
enum notifier_event notifier_run(struct notifier *notifier, int signals);

/* Starts no more requests and waits for the replies to those in flight, at most this long in
   milliseconds. Returns NOTIFIER_TERMINATE at once on that signal; NOTIFIER_HANGUP if that
   signal came meanwhile, otherwise NOTIFIER_DONE. */
enum notifier_event notifier_drain(struct notifier *notifier, int signals, int milliseconds);

#endif
