/*
 * headers - the message's own header fields
 *
 * All of them are stored unchanged; a rule gets a field by its name. headers.c lists those that
 * decide how the message is read; they may occur once. Number and size are bounded.
 */
#ifndef CM_HEADERS_H
#define CM_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

struct cm_header_field {
	struct cm_header_field *next;
	const char *name, *value; /* in the form that policy.h describes */
	const char *key;          /* the name without white space around it: "From " is From */
	size_t key_length;
};

struct cm_headers {
	size_t count, bytes;
	struct cm_header_field *first, *last; /* in their order; NULL: none yet */
	unsigned int seen;                    /* a bit for each deciding field */
	struct cm_finding ambiguous;          /* the first ambiguity */
};

void cm_headers_init(struct cm_headers *headers);
void cm_headers_free(struct cm_headers *headers);

/* Copies the field to headers->last. value as in policy.h. strict, for outgoing mail: the values of
   all fields are checked, not only those that decide how the message is read. False, with finding
   set, if the message is refused at once: because of bounds, a second From, or lack of memory. The
   first ambiguity is kept in headers->ambiguous. */
bool cm_headers_add(struct cm_headers *headers, const char *name, const char *value, bool strict,
		    struct cm_finding *finding);

/* The value of the first field of this name, any case; NULL without such a field. Only the values
   of fields listed in headers.c have been checked. */
const char *cm_headers_get(const struct cm_headers *headers, const char *name);

/* MIME-Version is 1.0 (RFC 2045 4) and the transfer encoding is one that a multipart may have
   (6.4). NULL, or the fault. MIME-Version may have comments. strict, for outgoing mail: it must
   exist, and "binary" is not allowed. */
const char *cm_headers_check_mime(const struct cm_headers *headers, bool strict);

#endif
