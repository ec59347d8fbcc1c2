/*
 * gate - the number of requests in flight, and back-pressure when the service is down
 *
 * An open gate allows a window of requests in flight; it starts small, grows by one with each
 * reply (slow start) and is halved by a failure. Requests that take long (see GATE_SLOW) do not
 * count against the window, so a few hanging ones do not delay the rest; the total is bounded.
 * Several failures of the service in a row close the gate: then single probes are sent at growing
 * intervals, and all other requests wait, without counting as failed. The first good reply opens
 * the gate with the small window, so that a service that has just recovered is not flooded.
 *
 * Times are milliseconds of a monotonic clock.
 */
#ifndef NOTIFYD_GATE_H
#define NOTIFYD_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* A request that has been in flight this long is slow. */
#define GATE_SLOW 1000

/* Failures without a success between them that close the gate. Simultaneous failures count as one:
   a connection may break with many requests on it. */
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

/* Another protocol was negotiated, so other bounds apply. */
void gate_set_bounds(struct gate *gate, unsigned int window_max, unsigned int total_max);

/* The number of requests that may be started now. in_flight counts all requests, slow the slow
   ones among them. Call gate_probe_started() for each probe that is started. */
unsigned int gate_allowance(const struct gate *gate, unsigned int in_flight, unsigned int slow,
			    int64_t now);
void gate_probe_started(struct gate *gate, int64_t now, uint32_t random);

/* The service replied like a working service: true if that opened the gate. */
bool gate_success(struct gate *gate);

/* The service failed: true if that closed the gate. started: when the request began. wait: the
   service's Retry-After in milliseconds, 0 if it sent none; it is bounded here, and closes the
   gate at once. */
bool gate_failure(struct gate *gate, int64_t started, int64_t now, int64_t wait, uint32_t random);

#endif
