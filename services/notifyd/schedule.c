#include "schedule.h"

static const unsigned int delays[] = {0, 8, 64, 512, 4096};

#define DELAYS      (sizeof(delays) / sizeof(delays[0]))
#define DELAY_MAX   4096
#define JITTER_PART 8

unsigned int schedule_delay(unsigned int failures)
{
	return failures < DELAYS ? delays[failures] : DELAY_MAX;
}

int64_t schedule_delay_jittered(unsigned int failures, uint32_t random)
{
	int64_t delay = (int64_t)schedule_delay(failures) * 1000;

	return delay + (delay / JITTER_PART * (int64_t)(random >> 16) >> 16);
}

bool schedule_expired(time_t arrival, time_t now)
{
	return now > arrival && now - arrival >= SCHEDULE_DEADLINE;
}

bool schedule_exhausted(unsigned int failures)
{
	return failures >= SCHEDULE_FAILURES_MAX;
}

void schedule_from_stamp(const struct timespec *stamp, time_t now, struct schedule_state *state_r)
{
	const time_t latest = now + DELAY_MAX + DELAY_MAX / JITTER_PART;

	state_r->failures = 0;
	state_r->due = now;
	if (stamp->tv_nsec < 1 || stamp->tv_nsec > SCHEDULE_FAILURES_MAX)
		return;
	state_r->failures = (unsigned int)stamp->tv_nsec;
	if (stamp->tv_sec > now)
		state_r->due = stamp->tv_sec < latest ? stamp->tv_sec : latest;
}

struct timespec schedule_to_stamp(const struct schedule_state *state)
{
	struct timespec stamp = {.tv_sec = state->due};

	stamp.tv_nsec =
	    state->failures < SCHEDULE_FAILURES_MAX ? (long)state->failures : SCHEDULE_FAILURES_MAX;
	return stamp;
}
