/*
 * schedule - the time of the next attempt, and how it survives a restart
 *
 * As upstream's: after a failure the next try comes 8, 64, 512, 4096 s later, and five hours after
 * its message arrived the notification is dropped. The last delay repeats until then. The state of
 * an entry is kept in its file's modification time: the second at which it is due, with the number
 * of failures as nanoseconds. Any other value (a new file has the time of its creation) means: due
 * now, no failure yet. So nothing has to be written beside the queue, and upstream's notifier
 * reads the same files.
 */
#ifndef NOTIFYD_SCHEDULE_H
#define NOTIFYD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Seconds after the arrival of its message when an entry is dropped. */
#define SCHEDULE_DEADLINE (5 * 3600)

/* More failures than fit before the deadline; the count stops there. */
#define SCHEDULE_FAILURES_MAX 16

/* Seconds to wait after this many failures (1 or more; 0 means no wait). */
unsigned int schedule_delay(unsigned int failures);

/* The same in milliseconds, plus up to an eighth, so that requests that failed together are
   not retried together. random is any 32 random bits. */
int64_t schedule_delay_jittered(unsigned int failures, uint32_t random);

/* True if an entry with this arrival time is to be dropped now. An arrival in the future (the
   clock was set back) counts as now. */
bool schedule_expired(time_t arrival, time_t now);

/* True after more failures than the schedule has before the deadline: then the time of arrival
   is wrong, or newer entries for the same token were tried all the time in its place. */
bool schedule_exhausted(unsigned int failures);

struct schedule_state {
	unsigned int failures; /* so far; 0: never tried, or unknown from the file */
	time_t due;            /* never later than the longest delay from now */
};

void schedule_from_stamp(const struct timespec *stamp, time_t now, struct schedule_state *state_r);
struct timespec schedule_to_stamp(const struct schedule_state *state);

#endif
