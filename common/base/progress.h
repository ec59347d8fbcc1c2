/*
 * progress - progress of a long job, shown on a terminal only
 *
 * One line on standard error that redraws itself, at most ten times a second. Silent if standard
 * error is not a terminal.
 */
#ifndef CM_PROGRESS_H
#define CM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cm_progress {
	bool visible;
	const char *what; /* the counted things: "accounts" */
	uint64_t total;   /* 0: unknown */
	int64_t drawn;    /* cm_clock_milliseconds(); 0: never */
};

/* `what` must stay valid. */
void cm_progress_begin(struct cm_progress *progress, const char *what, uint64_t total);
void cm_progress_update(struct cm_progress *progress, uint64_t done);
/* Removes the line. */
void cm_progress_end(struct cm_progress *progress);

#endif
