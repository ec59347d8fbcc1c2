#include "mime.h"

#include "rfc5322.h"

#include <string.h>

static bool refuse(struct cm_mime *mime, const char *why)
{
	return cm_finding_set(mime->finding, CM_REASON_MIME_STRUCTURE, why);
}

static bool decoded_line(void *context, const char *line, size_t length)
{
	struct cm_mime *mime = context;

	return mime->format->part_line(mime->context, mime->index, line, length);
}

static bool is_blank(const char *line, size_t length)
{
	cm_trim(line, &length);
	return length == 0;
}

/* The fixed line that programs write before the first part. */
static bool is_usual_preamble(const char *line, size_t length)
{
	static const char *const lines[] = {
	    "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)", /* Thunderbird */
	    "This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)", /* old Enigmail */
	    "This is a multi-part message in MIME format.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (length == strlen(lines[i]) && memcmp(line, lines[i], length) == 0)
			return true;
	}
	return false;
}

/* Text around the parts. RFC 2046 5.1.1 tells readers to ignore it, so it could hide
   cleartext. If strict, only one fixed line is allowed. Incoming mail has preambles of all
   kinds, and the footers of mailing lists. */
static bool text_around(struct cm_mime *mime, const char *line, size_t length)
{
	if (length == 0)
		return true;
	if (mime->strict) {
		if (mime->state == CM_MIME_PREAMBLE && !mime->preamble &&
		    is_usual_preamble(line, length))
			return mime->preamble = true;
		return cm_finding_set(mime->finding, CM_REASON_CLEARTEXT_IN_MIME,
				      mime->state == CM_MIME_PREAMBLE ? "text before the first part"
								      : "text after the last part");
	}
	if (memchr(line, '\0', length) != NULL || memchr(line, '\r', length) != NULL)
		return refuse(mime, "a NUL or a bare CR outside the parts");
	return true;
}

static bool end_of_field(struct cm_mime *mime)
{
	size_t length = mime->field_length;

	mime->field_length = 0;
	if (length == 0)
		return true;
	mime->field[length] = '\0';
	if (cm_part_header_decides(mime->field) &&
	    !cm_skeleton_line(mime->skeleton, mime->field, length, mime->finding))
		return false;
	return cm_part_header(&mime->part[mime->index], mime->field, mime->strict, mime->finding);
}

static bool header_text(struct cm_mime *mime, const char *text, size_t length)
{
	if (length > CM_PART_HEADER_BYTES_MAX - mime->field_length)
		return cm_finding_set(mime->finding, CM_REASON_MIME_BOUNDS,
				      "a header of a part that is too long");
	memcpy(mime->field + mime->field_length, text, length);
	mime->field_length += length;
	return true;
}

static bool header_line(struct cm_mime *mime, const char *line, size_t length)
{
	struct cm_part *part = &mime->part[mime->index];

	/* Some readers end the line at a CR. */
	if (length > 0 &&
	    (memchr(line, '\0', length) != NULL || memchr(line, '\r', length) != NULL))
		return cm_finding_set(mime->finding, CM_REASON_AMBIGUOUS_HEADER,
				      "a NUL or a bare CR in a header of a part");
	if (length > 0 && (line[0] == ' ' || line[0] == '\t')) {
		if (mime->field_length == 0 || is_blank(line, length))
			return cm_finding_set(mime->finding, CM_REASON_AMBIGUOUS_HEADER,
					      "a line in a part's header that continues no field");
		return header_text(mime, "\n", 1) && header_text(mime, line, length);
	}
	if (!end_of_field(mime))
		return false;
	if (length > 0)
		return header_text(mime, line, length);
	if (!cm_skeleton_line(mime->skeleton, "", 0, mime->finding))
		return false;
	cm_transfer_init(&mime->transfer, part->encoding, mime->strict, decoded_line, mime,
			 mime->finding);
	mime->state = CM_MIME_BODY;
	return mime->format->part_begin(mime->context, mime->index, part);
}

static bool start_part(struct cm_mime *mime, unsigned int index)
{
	if (index == mime->format->parts)
		return refuse(mime, "too many parts");
	mime->index = index;
	mime->state = CM_MIME_HEADERS;
	return true;
}

static bool is_padding(const char *text, size_t length)
{
	while (length > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		length--;
	}
	return length == 0;
}

/* A line that starts with the boundary. */
static bool boundary_line(struct cm_mime *mime, const char *line, size_t length)
{
	const char *rest = line + mime->boundary_length;
	size_t rest_length = length - mime->boundary_length;
	bool last = rest_length >= 2 && memcmp(rest, "--", 2) == 0;

	if (last) {
		rest += 2;
		rest_length -= 2;
	}
	/* RFC 2046 5.1.1: white space may have been added in transport. To some readers such a line
	   is part of the text, if there is one, and so is all that follows. */
	if (rest_length > 0 &&
	    (mime->strict || mime->format->keep_text || !is_padding(rest, rest_length)))
		return refuse(mime, "a line that only starts like a boundary");
	switch (mime->state) {
	case CM_MIME_PREAMBLE:
		return last ? refuse(mime, "a last boundary before any part") : start_part(mime, 0);
	case CM_MIME_HEADERS:
		return refuse(mime, "a part without an empty line after its header");
	case CM_MIME_BODY:
		if (!cm_transfer_end(&mime->transfer) ||
		    !mime->format->part_end(mime->context, mime->index))
			return false;
		if (!last)
			return start_part(mime, mime->index + 1);
		if (mime->index + 1 < mime->format->parts)
			return refuse(mime, "too few parts");
		mime->state = CM_MIME_EPILOGUE;
		return true;
	case CM_MIME_EPILOGUE:
	default:
		return refuse(mime, "a boundary after the last one");
	}
}

static bool body_line(void *context, const char *line, size_t length)
{
	struct cm_mime *mime = context;
	bool dash = length > 0 && line[0] == '-';

	/* GMime takes no line that starts otherwise for a boundary. */
	if (dash || (mime->format->keep_text && mime->state != CM_MIME_HEADERS)) {
		if (!cm_skeleton_line(mime->skeleton, line, length, mime->finding))
			return false;
	}
	if (dash && length >= mime->boundary_length &&
	    memcmp(line, mime->boundary, mime->boundary_length) == 0)
		return boundary_line(mime, line, length);
	/* Some readers look for it anywhere, so what follows would be a part to them. */
	if (length > 0 && memchr(line, '-', length) != NULL &&
	    memmem(line, length, mime->boundary, mime->boundary_length) != NULL)
		return refuse(mime, "a boundary within a line");
	switch (mime->state) {
	case CM_MIME_HEADERS:
		return header_line(mime, line, length);
	case CM_MIME_BODY:
		mime->part[mime->index].lines++;
		return cm_transfer_line(&mime->transfer, line, length);
	case CM_MIME_PREAMBLE:
	case CM_MIME_EPILOGUE:
	default:
		return text_around(mime, line, length);
	}
}

void cm_mime_init(struct cm_mime *mime, const struct cm_mime_format *format, void *context,
		  const char *boundary, bool strict, struct cm_skeleton *skeleton,
		  struct cm_finding *finding)
{
	mime->format = format;
	mime->context = context;
	mime->strict = strict;
	mime->state = CM_MIME_PREAMBLE;
	mime->preamble = false;
	mime->index = 0;
	for (size_t i = 0; i < CM_MIME_PARTS_MAX; i++)
		cm_part_init(&mime->part[i]);
	mime->boundary_length = 2 + strlen(boundary);
	memcpy(mime->boundary, "--", 2);
	memcpy(mime->boundary + 2, boundary, mime->boundary_length - 1);
	mime->field_length = 0;
	cm_lines_init(&mime->lines, body_line, mime);
	mime->skeleton = skeleton;
	mime->finding = finding;
}

static bool too_long(struct cm_mime *mime)
{
	if (mime->lines.too_long)
		cm_finding_set(mime->finding, CM_REASON_MIME_BOUNDS, "a line over 998 bytes");
	return false;
}

bool cm_mime_write(struct cm_mime *mime, const void *data, size_t length)
{
	return cm_lines_write(&mime->lines, data, length) || too_long(mime);
}

bool cm_mime_end(struct cm_mime *mime)
{
	if (!cm_lines_end(&mime->lines))
		return too_long(mime);
	if (mime->state != CM_MIME_EPILOGUE)
		return refuse(mime, "no last boundary");
	return true;
}
