/*
 * notifier_state - the state that the parts of the notifier share: intake.c, delivery.c and
 * notifier.c
 */
#ifndef NOTIFYD_NOTIFIER_STATE_H
#define NOTIFYD_NOTIFIER_STATE_H

#include "gate.h"
#include "notifier.h"
#include "queue_dir.h"
#include "sender.h"
#include "targets.h"

/* Maximum number of entries in memory; about 200 bytes each. */
#define NOTIFIER_CAPACITY 32768

/* Counts since the last line in the log. */
struct notifier_counts {
	uint64_t sent, collapsed, gone, failed, dropped, invalid;
};

struct notifier {
	const struct cm_config *config;
	struct cm_stats *stats;
	struct queue_dir *queue_dir;
	struct targets *targets;
	struct sender *sender;
	struct gate gate;
	bool broken; /* cannot continue: restart */

	/* intake: entries that are only on disk, and the time of the next walk for them */
	bool unwatched;          /* and this was logged */
	uint64_t left;           /* best estimate of their number */
	int64_t walk_due;        /* next walk */
	int64_t walk_not_before; /* so that walking a large directory does not take all the time */
	int64_t walk_started;
	uint64_t walk_left; /* entries that this walk left on disk */
	int64_t walk_retry; /* when the first of them is due */
	int64_t count_due;  /* next count while a walk has to pause */

	/* delivery */
	unsigned int retries;  /* in flight */
	bool suspect;          /* the connections may be dead: use new ones */
	struct target **stuck; /* answered, but their files cannot be removed */
	size_t stuck_count;
	int64_t stuck_due;

	struct notifier_counts counts;
	int64_t check_due, report_due, stats_due;
};

uint32_t notifier_random(void);

/* Increments a count, for the log and the statistics. */
void notifier_count(struct notifier *notifier, uint64_t *count, enum cm_stat stat);

#endif
