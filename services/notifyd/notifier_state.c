#include "notifier_state.h"

#include <sys/random.h>
#include <time.h>

int64_t notifier_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t notifier_random(void)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		value = (uint32_t)notifier_now() * 2654435761U;
	return value;
}

void notifier_count(struct notifier *notifier, uint64_t *count, enum cm_stat stat)
{
	(*count)++;
	cm_stats_add(notifier->stats, stat, 1);
}
