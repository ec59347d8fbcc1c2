#include "headers.h"

#include "rfc5322.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 5322 3.6 lets most of them come once; only those count that decide what we read: of the
   others, one at most leaves (header_rewrite.h). */
static const struct {
	const char *name;
	bool once;
} fields[CM_HEADER_COUNT] = {
    [CM_HEADER_FROM] = {"From", true},
    [CM_HEADER_MIME_VERSION] = {"MIME-Version", true},
    [CM_HEADER_CONTENT_TYPE] = {"Content-Type", true},
    [CM_HEADER_CONTENT_TRANSFER_ENCODING] = {"Content-Transfer-Encoding", true},
    [CM_HEADER_SECURE_JOIN] = {"Secure-Join", true},
    [CM_HEADER_SUBJECT] = {"Subject", false},
    [CM_HEADER_AUTO_SUBMITTED] = {"Auto-Submitted", false},
    [CM_HEADER_CONTENT_DISPOSITION] = {"Content-Disposition", true},
};

void cm_headers_init(struct cm_headers *headers)
{
	*headers = (struct cm_headers){0};
}

void cm_headers_free(struct cm_headers *headers)
{
	for (size_t i = 0; i < CM_HEADER_KEPT; i++)
		free(headers->value[i]);
	cm_headers_init(headers);
}

const char *cm_header_name(enum cm_header header)
{
	return fields[header].name;
}

const char *cm_headers_get(const struct cm_headers *headers, enum cm_header header)
{
	return headers->value[header] != NULL ? headers->value[header] : "";
}

/* RFC 5322 3.2.2 forbids to write a folded line of nothing but white space: some readers take it
   for the end of the header. */
static bool has_blank_line(const char *value)
{
	while ((value = strchr(value, '\n')) != NULL) {
		value++;
		value += strspn(value, " \t");
		if (*value == '\0' || *value == '\r' || *value == '\n')
			return true;
	}
	return false;
}

/* Which one; CM_HEADER_COUNT: one that does not matter. "From " with white space before the colon
   counts as From here: some readers read it so. */
static enum cm_header find(const char *name)
{
	size_t length = strlen(name);

	name = cm_trim(name, &length);
	for (size_t i = 0; i < CM_HEADER_COUNT; i++) {
		if (length == strlen(fields[i].name) &&
		    strncasecmp(name, fields[i].name, length) == 0)
			return (enum cm_header)i;
	}
	return CM_HEADER_COUNT;
}

static const char *find_ambiguity(const struct cm_headers *headers, enum cm_header header,
				  const char *value, bool strict)
{
	if (header != CM_HEADER_COUNT && headers->seen[header] > 1 && fields[header].once)
		return "a header that may come once and came twice";
	if (strict && has_blank_line(value))
		return "a folded line in a header that is blank";
	return strict || header < CM_HEADER_KEPT ? cm_header_value_check(value) : NULL;
}

/* In no header may a reader find another one, or the end of them all; the rest is of no interest in
   incoming headers that decide nothing. */
static void note_ambiguities(struct cm_headers *headers, enum cm_header header, const char *name,
			     const char *value, bool strict)
{
	const char *why = cm_header_line_breaks_check(value);

	if (!cm_header_name_valid(name, strlen(name)))
		why = "a malformed header name";
	else if (why == NULL && (strict || header != CM_HEADER_COUNT))
		why = find_ambiguity(headers, header, value, strict);
	if (why != NULL)
		cm_finding_set(&headers->ambiguous, CM_REASON_AMBIGUOUS_HEADER, why);
}

static bool keep(struct cm_headers *headers, enum cm_header header, const char *value,
		 struct cm_finding *finding)
{
	if (header >= CM_HEADER_KEPT || headers->value[header] != NULL)
		return true;
	if (strlen(value) > CM_HEADER_KEPT_MAX) {
		/* A long Subject decides nothing. */
		if (header == CM_HEADER_SUBJECT)
			return true;
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS, "a header that is too long");
	}
	headers->value[header] = strdup(value);
	if (headers->value[header] == NULL)
		return cm_finding_set(finding, CM_REASON_INTERNAL, "out of memory");
	return true;
}

bool cm_headers_add(struct cm_headers *headers, const char *name, const char *value, bool strict,
		    struct cm_finding *finding)
{
	enum cm_header header = find(name);

	headers->bytes += strlen(name) + strlen(value) + 3;
	if (++headers->count > CM_HEADERS_MAX || headers->bytes > CM_HEADERS_BYTES_MAX)
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS,
				      "too many headers or too large");
	if (header != CM_HEADER_COUNT)
		headers->seen[header]++;
	if (headers->seen[CM_HEADER_FROM] > 1)
		return cm_finding_set(finding, CM_REASON_FROM_HEADER, "a second From header");
	note_ambiguities(headers, header, name, value, strict);
	return keep(headers, header, value, finding);
}

/* "1.0" with or without comments. */
static bool is_mime_version(const char *value, bool strict)
{
	enum cm_comments comments = strict ? CM_COMMENTS_NONE : CM_COMMENTS_ANY;

	if (!cm_skip_cfws(&value, comments) || strncmp(value, "1.0", 3) != 0)
		return false;
	value += 3;
	return cm_skip_cfws(&value, comments) && *value == '\0';
}

const char *cm_headers_check_mime(const struct cm_headers *headers, bool strict)
{
	const char *version = headers->value[CM_HEADER_MIME_VERSION];
	const char *encoding = headers->value[CM_HEADER_CONTENT_TRANSFER_ENCODING];

	if (version == NULL && strict)
		return "no MIME-Version header";
	if (version != NULL && !is_mime_version(version, strict))
		return "a MIME-Version header that does not say 1.0";
	if (encoding != NULL && !cm_text_is(encoding, "7bit") && !cm_text_is(encoding, "8bit") &&
	    (strict || !cm_text_is(encoding, "binary")))
		return "a transfer encoding that no multipart may have";
	return NULL;
}
