#include "gate.h"

/* Milliseconds. */
#define PROBE_DELAY_START 8000
#define PROBE_DELAY_MAX   64000
#define WAIT_MAX          600000

void gate_init(struct gate *gate, unsigned int window_max, unsigned int total_max)
{
	*gate = (struct gate){
	    .window = GATE_WINDOW_START,
	    .window_max = window_max,
	    .total_max = total_max,
	    .probe_delay = PROBE_DELAY_START,
	};
}

void gate_set_bounds(struct gate *gate, unsigned int window_max, unsigned int total_max)
{
	gate->window_max = window_max;
	gate->total_max = total_max;
	if (gate->window > window_max)
		gate->window = window_max;
}

unsigned int gate_allowance(const struct gate *gate, unsigned int in_flight, unsigned int slow,
			    int64_t now)
{
	unsigned int fast = in_flight - slow, allowance;

	/* Requests still in flight may hang on connections that the probe must not share. */
	if (gate->closed)
		return in_flight == 0 && now >= gate->probe_at ? 1 : 0;
	if (fast >= gate->window || in_flight >= gate->total_max)
		return 0;
	allowance = gate->window - fast;
	if (allowance > gate->total_max - in_flight)
		allowance = gate->total_max - in_flight;
	return allowance;
}

/* The delay with a jitter of a quarter up, so that many relays do not probe in step. */
static int64_t jittered(int64_t delay, uint32_t random)
{
	return delay + (delay / 4 * (int64_t)(random >> 16) >> 16);
}

void gate_probe_started(struct gate *gate, int64_t now, uint32_t random)
{
	if (!gate->closed)
		return;
	gate->probe_delay *= 2;
	if (gate->probe_delay > PROBE_DELAY_MAX)
		gate->probe_delay = PROBE_DELAY_MAX;
	gate->probe_at = now + jittered(gate->probe_delay, random);
}

bool gate_success(struct gate *gate)
{
	const bool opened = gate->closed;

	gate->failures = 0;
	if (opened) {
		gate->closed = false;
		gate->window = GATE_WINDOW_START;
		gate->probe_delay = PROBE_DELAY_START;
	}
	if (gate->window < gate->window_max)
		gate->window++;
	return opened;
}

/* Counts a failure, unless the request was already in flight when the last one was counted. */
static void count_failure(struct gate *gate, int64_t started, int64_t now)
{
	if (gate->failures > 0 && started <= gate->failed_at)
		return;
	gate->failures++;
	gate->failed_at = now;
	gate->window /= 2;
	if (gate->window < GATE_WINDOW_START)
		gate->window = GATE_WINDOW_START;
}

bool gate_failure(struct gate *gate, int64_t started, int64_t now, int64_t wait, uint32_t random)
{
	const bool was_closed = gate->closed;
	int64_t probe_at;

	if (wait > WAIT_MAX)
		wait = WAIT_MAX;
	count_failure(gate, started, now);
	if (!was_closed && wait <= 0 && gate->failures < GATE_FAILURES)
		return false;
	gate->closed = true;
	probe_at = now + jittered(wait > gate->probe_delay ? wait : gate->probe_delay, random);
	if (!was_closed || (wait > 0 && probe_at > gate->probe_at))
		gate->probe_at = probe_at;
	return !was_closed;
}
