/*
 * mime - one level of multipart, read line by line and strictly (RFC 2046 5.1)
 *
 * The only structures that pass the relay unencrypted are a fixed number of parts side by side,
 * so this reader knows one level; nesting is refused by the part's type. It checks every line of
 * the body. Where readers differ (lines that only start like the boundary, text around the parts,
 * a missing last boundary) it refuses. Constant memory. It records the structure in a skeleton;
 * second_reader.h compares that with GMime's reading.
 */
#ifndef CM_MIME_H
#define CM_MIME_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "lines.h"
#include "mime_value.h"
#include "part_header.h"
#include "skeleton.h"
#include "transfer.h"

#define CM_MIME_PARTS_MAX 3

/* Checks of one kind of message, implemented by pgp_mime.h, secure_join.h and report.h. Each
   returns false with the finding set if the message is not of this kind. */
struct cm_mime_format {
	unsigned int parts;
	bool keep_text; /* the parts' text is added to the skeleton */
	bool (*part_begin)(void *context, unsigned int index, const struct cm_part *part);
	/* A decoded line without its end. */
	bool (*part_line)(void *context, unsigned int index, const char *line, size_t length);
	bool (*part_end)(void *context, unsigned int index);
};

enum cm_mime_state {
	CM_MIME_PREAMBLE,
	CM_MIME_HEADERS,
	CM_MIME_BODY,
	CM_MIME_EPILOGUE,
};

struct cm_mime {
	const struct cm_mime_format *format;
	void *context;
	bool strict; /* no free text around the parts and in their headers */
	enum cm_mime_state state;
	bool preamble;      /* strict: the fixed line before the first part was read */
	unsigned int index; /* of the part, from 0 */
	struct cm_part part[CM_MIME_PARTS_MAX];
	size_t boundary_length;
	char boundary[CM_MIME_BOUNDARY_MAX + 3]; /* with its two dashes */
	size_t field_length;                     /* of the header field being read; 0: none */
	char field[CM_PART_HEADER_BYTES_MAX + 1];
	struct cm_lines lines;
	struct cm_transfer transfer;
	struct cm_skeleton *skeleton;
	struct cm_finding *finding;
};

/* boundary is valid (cm_mime_boundary_valid()); format, context, skeleton and finding are
   borrowed. */
void cm_mime_init(struct cm_mime *mime, const struct cm_mime_format *format, void *context,
		  const char *boundary, bool strict, struct cm_skeleton *skeleton,
		  struct cm_finding *finding);

/* Reads a piece of the body. False with the finding set as soon as it violates the format. */
bool cm_mime_write(struct cm_mime *mime, const void *data, size_t length);

/* After the last byte: true if the message was complete. */
bool cm_mime_end(struct cm_mime *mime);

#endif
