/*
 * finding - a reader's objection to a message: the reason code and a sentence
 *
 * The sentence is a constant of the program, so it contains no text of the message and may be
 * logged.
 */
#ifndef CM_FINDING_H
#define CM_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "reason.h"

struct cm_finding {
	enum cm_reason reason;
	const char *why; /* NULL: nothing found */
};

/* Stores the first finding and returns false, for `return cm_finding_set(...)`. */
static inline bool cm_finding_set(struct cm_finding *finding, enum cm_reason reason,
				  const char *why)
{
	if (finding->why == NULL) {
		finding->reason = reason;
		finding->why = why;
	}
	return false;
}

#endif
