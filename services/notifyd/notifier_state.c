#include "notifier_state.h"

#include <sys/random.h>

#include "clock.h"

uint32_t notifier_random(void)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		value = (uint32_t)cm_clock_milliseconds() * 2654435761U;
	return value;
}

void notifier_count(struct notifier *notifier, uint64_t *count, enum cm_stat stat)
{
	(*count)++;
	cm_stats_add(notifier->stats, stat, 1);
}
