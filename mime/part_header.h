/*
 * part_header - the header of one part of a multipart, read strictly
 *
 * In strict mode, for outgoing mail, only header fields and values that encryption programs are
 * known to write are allowed: other text would leave the relay in the clear.
 */
#ifndef CM_PART_HEADER_H
#define CM_PART_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "mime_value.h"
#include "rfc5322.h"
#include "transfer.h"

#define CM_PART_HEADER_BYTES_MAX 2048 /* one field, folded lines joined */

struct cm_part {
	char type[2 * CM_MIME_NAME_MAX + 2]; /* "" : no Content-Type so far */
	bool encoding_seen;
	bool disposition_seen;
	bool description_seen;
	bool version_seen;
	char message_id[CM_MESSAGE_ID_MAX + 1]; /* in strict mode; "": none so far */
	/* Some programs tell a part's type by its names. One of them is: */
	bool odd_name;  /* not one of encrypted data */
	bool text_name; /* that of a text */
	bool
	    file_name; /* that of a file other than encrypted data, text and messages; or unclear */
	enum cm_transfer_encoding encoding;
	unsigned int headers;
	size_t header_bytes;
	size_t lines; /* of its body, for explanations */
};

void cm_part_init(struct cm_part *part);

/* True if the field "Name: value" decides how to read the part: its type or its encoding. */
bool cm_part_header_decides(const char *field);

/* One field "Name: value", folded or not, NUL-terminated; its colon becomes a NUL. False, with
   finding set, if the part must not contain it. */
bool cm_part_header(struct cm_part *part, char *field, bool strict, struct cm_finding *finding);

#endif
