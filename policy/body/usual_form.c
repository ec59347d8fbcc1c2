#include "usual_form.h"

#include "pgp_mime.h"
#include "rfc5322.h"

#include <string.h>
#include <strings.h>

/* The unread rest of a text. */
struct rest {
	const char *at, *end;
};

static bool take_bytes(struct rest *rest, const char *text, size_t length)
{
	if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, text, length) != 0)
		return false;
	rest->at += length;
	return true;
}

static bool take(struct rest *rest, const char *text)
{
	return take_bytes(rest, text, strlen(text));
}

/* --- From --- */

/* Words of letters, digits, '-' and '_' with single dots between them, up to `end`. No
   A-label: readers may decode it (RFC 5890 2.3.2.1). */
static bool is_dotted(const char *text, const char *end)
{
	char before = '.';

	for (; text < end; text++) {
		if (*text == '.' ? before == '.'
				 : !cm_is_alphanumeric(*text) && *text != '-' && *text != '_')
			return false;
		if (before == '.' && end - text >= 4 && strncasecmp(text, "xn--", 4) == 0)
			return false;
		before = *text;
	}
	return before != '.';
}

bool cm_usual_from(const char *value, const struct cm_address *address)
{
	const char *local_end = address->text + address->local_length;
	size_t length = strlen(address->text);
	bool brackets;

	value += *value == ' ';
	brackets = *value == '<';
	value += brackets;
	return strncasecmp(value, address->text, length) == 0 &&
	       strcmp(value + length, brackets ? ">" : "") == 0 &&
	       is_dotted(address->text, local_end) &&
	       is_dotted(local_end + 1, address->text + length);
}

/* --- An encrypted message --- */

#define BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */

/* A boundary without characters that have a meaning for a reader, and not the start of an
   armor line. */
static bool is_plain_boundary(const char *boundary)
{
	size_t length = strlen(boundary);

	if (length == 0 || length > BOUNDARY_MAX || *boundary == '-')
		return false;
	while (*boundary != '\0' &&
	       (cm_is_alphanumeric(*boundary) || strchr("=_.-", *boundary) != NULL))
		boundary++;
	return *boundary == '\0';
}

static bool take_space(struct rest *rest)
{
	return take(rest, " ") || take(rest, "\n\t") || take(rest, "\n ") || take(rest, "\r\n\t") ||
	       take(rest, "\r\n ");
}

static bool take_name(struct rest *rest, const char *name)
{
	return take(rest, name) && (take(rest, ": ") || take(rest, ":"));
}

/* The message's own Content-Type, with the protocol and the boundary in this order. */
static bool take_type(struct rest *rest, const struct cm_mime *mime)
{
	return take_name(rest, "Content-Type") &&
	       take(rest, "multipart/encrypted; protocol=\"application/pgp-encrypted\";") &&
	       take_space(rest) && take(rest, "boundary=\"") &&
	       take_bytes(rest, mime->boundary + 2, mime->boundary_length - 2) &&
	       take(rest, "\"\n");
}

static void take_encoding(struct rest *rest)
{
	struct rest before = *rest;

	if (!take_name(rest, "Content-Transfer-Encoding") || !take(rest, "7bit\n"))
		*rest = before;
}

/* A part's header, with its type and no encoding other than 7bit. */
static bool take_part_header(struct rest *rest, const char *type)
{
	static const char *const parameters[] = {
	    "name=\"encrypted.asc\"",
	    "name=\"msg.asc\"",
	    "charset=\"utf-8\"",
	};

	if (!take_name(rest, "Content-Type") || !take(rest, type))
		return false;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		struct rest before = *rest;

		if (!take(rest, ";") || !take_space(rest) || !take(rest, parameters[i]))
			*rest = before;
	}
	if (!take(rest, "\n"))
		return false;
	take_encoding(rest);
	return take(rest, "\n");
}

static bool take_boundary(struct rest *rest, const struct cm_mime *mime, const char *end)
{
	return take_bytes(rest, mime->boundary, mime->boundary_length) && take(rest, end);
}

bool cm_usual_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime)
{
	struct rest rest;

	if (skeleton->text == NULL || mime->format != &cm_pgp_mime_format ||
	    !is_plain_boundary(mime->boundary + 2))
		return false;
	rest = (struct rest){skeleton->text, skeleton->text + skeleton->length};
	if (!take_type(&rest, mime))
		return false;
	take_encoding(&rest);
	return take(&rest, "\n") && take_boundary(&rest, mime, "\n") &&
	       take_part_header(&rest, "application/pgp-encrypted") &&
	       take_boundary(&rest, mime, "\n") &&
	       take_part_header(&rest, "application/octet-stream") &&
	       take(&rest, "-----BEGIN PGP MESSAGE-----\n-----END PGP MESSAGE-----\n") &&
	       take_boundary(&rest, mime, "--\n") && rest.at == rest.end;
}
