/*
 * headers - the message's own header fields, as far as the policy reads them
 *
 * Fields arrive one by one. Kept are the few values that decide; of all others only that they are
 * well-formed and how often they came. Bounded in number and size.
 */
#ifndef CM_HEADERS_H
#define CM_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

#define CM_HEADERS_MAX       500
#define CM_HEADERS_BYTES_MAX (128 * 1024)
/* Longest value that is kept. */
#define CM_HEADER_KEPT_MAX 4096

enum cm_header {
	CM_HEADER_FROM,
	CM_HEADER_MIME_VERSION,
	CM_HEADER_CONTENT_TYPE,
	CM_HEADER_CONTENT_TRANSFER_ENCODING,
	CM_HEADER_SECURE_JOIN,
	CM_HEADER_SUBJECT,
	CM_HEADER_AUTO_SUBMITTED,
	CM_HEADER_KEPT, /* those above are kept */
	CM_HEADER_CONTENT_DISPOSITION = CM_HEADER_KEPT,
	CM_HEADER_COUNT
};

struct cm_headers {
	size_t count, bytes;
	unsigned int seen[CM_HEADER_COUNT];
	char *value[CM_HEADER_KEPT]; /* of the first one; NULL: absent */
	struct cm_finding ambiguous; /* what two readers could read differently */
};

void cm_headers_init(struct cm_headers *headers);
void cm_headers_free(struct cm_headers *headers);

/* Field name of a kept header, as it is usually written. */
const char *cm_header_name(enum cm_header header);

/* value as in policy.h. False, with finding set, if the message is refused for it at once: bounds,
   a second From, memory. Ambiguities are collected in headers->ambiguous. */
bool cm_headers_add(struct cm_headers *headers, const char *name, const char *value, bool strict,
		    struct cm_finding *finding);

/* The kept value or "". */
const char *cm_headers_get(const struct cm_headers *headers, enum cm_header header);

/* MIME-Version is 1.0 (RFC 2045 4) and the transfer encoding is one that a multipart may have
   (6.4). NULL, or what is wrong. Incoming mail may lack MIME-Version and have comments in it. */
const char *cm_headers_check_mime(const struct cm_headers *headers, bool strict);

#endif
