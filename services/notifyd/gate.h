/*
 * gate - how many requests may be out, and back-pressure when the service is down
 *
 * Open, the gate lets a window of requests out at once; it starts small and grows by one with each
 * answer (slow start) and is halved by a failure. Requests that take long (see GATE_SLOW) do not
 * count against the window, so a few that hang do not hold up the rest; all together they are
 * bounded. A row of failures of the service closes the gate: then one request at a time is let out
 * as a probe, ever more seldom, and what waits is not tried (and not counted as failed) meanwhile.
 * The first good answer opens the gate, with the small window again, so nothing storms a service
 * that has just come back.
 *
 * Times are milliseconds of a monotonic clock.
 */
#ifndef NOTIFYD_GATE_H
#define NOTIFYD_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* A request that has been out this long is slow. */
#define GATE_SLOW 1000

/* Failures without a success between them that close the gate. What fails together counts as one: a
   connection may break with many requests on it. */
#define GATE_FAILURES 8

#define GATE_WINDOW_START 4

struct gate {
	unsigned int window;
	unsigned int window_max; /* fast requests at once */
	unsigned int total_max;  /* all requests at once */
	unsigned int failures;   /* in a row */
	int64_t failed_at;       /* the last of them that was counted */
	bool closed;
	int64_t probe_at;
	int64_t probe_delay;
};

void gate_init(struct gate *gate, unsigned int window_max, unsigned int total_max);

/* Another protocol was negotiated, so other bounds hold. */
void gate_set_bounds(struct gate *gate, unsigned int window_max, unsigned int total_max);

/* How many requests may be started now. in_flight counts all that are out, slow those of them that
   are. Call gate_probe_started() for each probe that is started. */
unsigned int gate_allowance(const struct gate *gate, unsigned int in_flight, unsigned int slow,
			    int64_t now);
void gate_probe_started(struct gate *gate, int64_t now, uint32_t random);

/* The service answered as a working service does: true if that opened the gate. */
bool gate_success(struct gate *gate);

/* It did not: true if that closed the gate. started is when the request was. wait is what the
   service asked for (Retry-After) in milliseconds, 0 for nothing; it is bounded here, and closes
   the gate at once. */
bool gate_failure(struct gate *gate, int64_t started, int64_t now, int64_t wait, uint32_t random);

#endif
