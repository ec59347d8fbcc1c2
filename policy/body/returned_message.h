/*
 * returned_message - the returned part of a report, line by line
 *
 * The failed message's header, with the Message-ID by which clients find it. message/rfc822 may
 * also contain its body, complete or truncated: it must be the start of a message that our policy
 * would have accepted.
 */
#ifndef CM_RETURNED_MESSAGE_H
#define CM_RETURNED_MESSAGE_H

#include "headers.h"
#include "mime.h"
#include "mime_value.h"
#include "pgp_mime.h"
#include "secure_join.h"
#include "skeleton.h"

#define CM_RETURNED_FIELD_MAX 8192 /* one field, folded lines joined */

struct cm_returned_message {
	bool may_have_body;
	bool header_ended, reads_body;
	size_t empty_lines; /* of the body, which may be the last ones */
	struct cm_headers headers;
	struct cm_skeleton skeleton;
	struct cm_finding *finding;
	size_t field_length; /* of the field being read; 0: none */
	char field[CM_RETURNED_FIELD_MAX + 1];
	struct cm_mime_value content_type;
	struct cm_mime mime;
	union {
		struct cm_pgp_mime pgp;
		struct cm_secure_join join;
	} body;
};

/* finding is borrowed. */
void cm_returned_message_init(struct cm_returned_message *returned, struct cm_finding *finding);
void cm_returned_message_free(struct cm_returned_message *returned);
/* A line without its end. False with the finding set if it is not allowed. */
bool cm_returned_message_line(struct cm_returned_message *returned, const char *line,
			      size_t length);
/* After the last line: true if the header was complete. */
bool cm_returned_message_end(struct cm_returned_message *returned);

#endif
