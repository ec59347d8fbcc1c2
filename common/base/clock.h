/*
 * clock - the monotonic clock, which a change of the time of day does not affect
 */
#ifndef CM_CLOCK_H
#define CM_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t cm_clock_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t cm_clock_milliseconds(void)
{
	return cm_clock_nanoseconds() / 1000000;
}

static inline int64_t cm_clock_seconds(void)
{
	return cm_clock_nanoseconds() / 1000000000;
}

#endif
