/*
 * skeleton - a message without its payload, for the second reader
 *
 * The lines of a message that matter to a MIME parser: the headers that decide how to read it,
 * the headers of its parts, every line that starts with '-' (a boundary line does), and the text
 * of secure-join requests. Payload lines that cannot be a boundary are omitted, so the skeleton
 * of a message of 30 MB has some hundred bytes, and no spool file is needed.
 */
#ifndef CM_SKELETON_H
#define CM_SKELETON_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

#define CM_SKELETON_MAX (64 * 1024)

struct cm_skeleton {
	char *text; /* not NUL-terminated; NULL: empty */
	size_t length, size;
};

void cm_skeleton_init(struct cm_skeleton *skeleton);
void cm_skeleton_free(struct cm_skeleton *skeleton);

/* Appends one line and a line end. False, with finding set, beyond CM_SKELETON_MAX. */
bool cm_skeleton_line(struct cm_skeleton *skeleton, const char *line, size_t length,
		      struct cm_finding *finding);

/* Appends a header field. value as in policy.h. */
bool cm_skeleton_header(struct cm_skeleton *skeleton, const char *name, const char *value,
			struct cm_finding *finding);

#endif
