#include "transfer.h"

#include <string.h>
#include <strings.h>

static const char *const names[] = {
    [CM_TRANSFER_IDENTITY] = "7bit",
    [CM_TRANSFER_QUOTED_PRINTABLE] = "quoted-printable",
    [CM_TRANSFER_BASE64] = "base64",
};

bool cm_transfer_encoding_parse(const char *name, bool strict,
				enum cm_transfer_encoding *encoding_r)
{
	if (strcasecmp(name, "7bit") == 0 || strcasecmp(name, "8bit") == 0 ||
	    (!strict && strcasecmp(name, "binary") == 0))
		*encoding_r = CM_TRANSFER_IDENTITY;
	else if (strcasecmp(name, names[CM_TRANSFER_QUOTED_PRINTABLE]) == 0)
		*encoding_r = CM_TRANSFER_QUOTED_PRINTABLE;
	else if (strcasecmp(name, names[CM_TRANSFER_BASE64]) == 0)
		*encoding_r = CM_TRANSFER_BASE64;
	else
		return false;
	return true;
}

const char *cm_transfer_encoding_name(enum cm_transfer_encoding encoding)
{
	return names[encoding];
}

static bool refuse(struct cm_transfer *transfer, const char *why)
{
	return cm_finding_set(transfer->finding, CM_REASON_MIME_STRUCTURE, why);
}

void cm_transfer_init(struct cm_transfer *transfer, enum cm_transfer_encoding encoding, bool strict,
		      cm_line_fn *line, void *context, struct cm_finding *finding)
{
	transfer->encoding = encoding;
	transfer->strict = strict;
	transfer->soft = false;
	transfer->line = line;
	transfer->context = context;
	transfer->finding = finding;
	cm_base64_init(&transfer->base64);
	cm_lines_init(&transfer->lines, line, context);
}

/* Passes decoded bytes to the lines. */
static bool take(struct cm_transfer *transfer, const char *data, size_t length)
{
	if (cm_lines_write(&transfer->lines, data, length))
		return true;
	if (transfer->lines.too_long)
		return cm_finding_set(transfer->finding, CM_REASON_MIME_BOUNDS,
				      "a decoded line over 998 bytes");
	return false;
}

/* RFC 2045 6.7 (1): upper case only; but all readers accept lower case, too, and some writers
   write it. -1: not a digit. */
static int hex(char c, bool strict)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (!strict && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The byte of an escape "=XY" with rest bytes available. -1: it is not an escape. */
static int escaped(const char *text, size_t rest, bool strict)
{
	int high = rest > 2 ? hex(text[1], strict) : -1;
	int low = rest > 2 ? hex(text[2], strict) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* RFC 2045 6.7. */
static bool quoted_printable(struct cm_transfer *transfer, const char *line, size_t length)
{
	char decoded[CM_LINE_MAX + 1];
	size_t used = 0;
	size_t out = 0;

	while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t')) {
		if (transfer->strict)
			return refuse(transfer,
				      "white space at the end of a quoted-printable line");
		length--;
	}
	transfer->soft = length > 0 && line[length - 1] == '=';
	if (transfer->soft)
		length--;
	while (used < length) {
		unsigned char c = (unsigned char)line[used];

		if (c == '=') {
			int byte = escaped(line + used, length - used, transfer->strict);

			if (byte < 0)
				return refuse(transfer, "a broken quoted-printable escape");
			decoded[out++] = (char)byte;
			used += 3;
		} else if ((c >= ' ' && c <= '~') || c == '\t') {
			decoded[out++] = (char)c;
			used++;
		} else {
			return refuse(transfer, "a raw byte that quoted-printable must escape");
		}
	}
	if (!transfer->soft)
		decoded[out++] = '\n';
	return take(transfer, decoded, out);
}

/* RFC 2045 6.8. */
static bool base64(struct cm_transfer *transfer, const char *line, size_t length)
{
	unsigned char decoded[CM_BASE64_ROOM(CM_LINE_MAX)];
	size_t decoded_length;

	while (!transfer->strict && length > 0 &&
	       (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	if (!cm_base64_decode(&transfer->base64, line, length, decoded, &decoded_length))
		return refuse(transfer, "a byte in a base64 part that is not base64");
	return take(transfer, (const char *)decoded, decoded_length);
}

bool cm_transfer_line(struct cm_transfer *transfer, const char *line, size_t length)
{
	switch (transfer->encoding) {
	case CM_TRANSFER_QUOTED_PRINTABLE:
		return quoted_printable(transfer, line, length);
	case CM_TRANSFER_BASE64:
		return base64(transfer, line, length);
	case CM_TRANSFER_IDENTITY:
	default:
		return transfer->line(transfer->context, line, length);
	}
}

bool cm_transfer_end(struct cm_transfer *transfer)
{
	unsigned char rest[2];
	size_t rest_length;

	if (transfer->soft)
		return refuse(transfer, "a quoted-printable part that ends in a soft line break");
	if (!cm_base64_end(&transfer->base64, false, rest, &rest_length))
		return refuse(transfer, "a base64 part that ends within a group");
	return transfer->encoding == CM_TRANSFER_IDENTITY || cm_lines_end(&transfer->lines) ||
	       (transfer->lines.too_long && cm_finding_set(transfer->finding, CM_REASON_MIME_BOUNDS,
							   "a decoded line over 998 bytes"));
}
