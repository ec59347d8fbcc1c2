/*
 * transfer - content transfer encodings of a part, decoded line by line (RFC 2045 6)
 *
 * Raw lines go in, decoded lines come out. Strict: it fails where a lenient reader would guess.
 * Constant memory.
 */
#ifndef CM_TRANSFER_H
#define CM_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base64.h"
#include "finding.h"
#include "lines.h"

enum cm_transfer_encoding {
	CM_TRANSFER_IDENTITY, /* 7bit, 8bit, binary, or no header */
	CM_TRANSFER_QUOTED_PRINTABLE,
	CM_TRANSFER_BASE64,
};

struct cm_transfer {
	enum cm_transfer_encoding encoding;
	bool strict; /* no white space before a line's end */
	bool soft;   /* the last quoted-printable line ended in a soft line break */
	struct cm_base64 base64;
	struct cm_lines lines; /* of the decoded lines */
	cm_line_fn *line;
	void *context;
	struct cm_finding *finding;
};

/* "quoted-printable" and so on, any case. strict: refuses "binary", for which our users would
   need BINARYMIME (RFC 3030). False for any other name. */
bool cm_transfer_encoding_parse(const char *name, bool strict,
				enum cm_transfer_encoding *encoding_r);

const char *cm_transfer_encoding_name(enum cm_transfer_encoding encoding);

/* line(context, ...) is called for each decoded line. It reports its own findings. */
void cm_transfer_init(struct cm_transfer *transfer, enum cm_transfer_encoding encoding, bool strict,
		      cm_line_fn *line, void *context, struct cm_finding *finding);

/* One raw line without its end. */
bool cm_transfer_line(struct cm_transfer *transfer, const char *line, size_t length);

bool cm_transfer_end(struct cm_transfer *transfer);

#endif
