#include "headers.h"

#include "rfc5322.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX       500
#define HEADERS_BYTES_MAX (128 * 1024)

/* Longest value of a deciding field, in bytes. */
#define HEADER_DECIDING_MAX 4096

/* The fields that decide how we or others read the message. RFC 5322 3.6 allows most of them
   once. We enforce that where a second one would matter; of each other field at most one
   leaves (header_rewrite.h). */
static const struct {
	const char *name;
	bool once;
	bool printable; /* in incoming mail, too */
	bool bounded;   /* by HEADER_DECIDING_MAX */
} deciding[] = {
    {"From", true, true, true},         {"MIME-Version", true, true, true},
    {"Content-Type", true, true, true}, {"Content-Transfer-Encoding", true, true, true},
    {"Secure-Join", true, true, true},  {"Auto-Submitted", false, true, true},
    {"Subject", false, true, false},    {"Content-Disposition", true, false, false},
};

#define DECIDING_COUNT (sizeof(deciding) / sizeof(deciding[0]))

void cm_headers_init(struct cm_headers *headers)
{
	*headers = (struct cm_headers){0};
}

void cm_headers_free(struct cm_headers *headers)
{
	while (headers->first != NULL) {
		struct cm_header_field *field = headers->first;

		headers->first = field->next;
		free(field);
	}
	cm_headers_init(headers);
}

const char *cm_headers_get(const struct cm_headers *headers, const char *name)
{
	size_t length = strlen(name);

	for (const struct cm_header_field *field = headers->first; field != NULL;
	     field = field->next) {
		if (field->key_length == length && strncasecmp(field->key, name, length) == 0)
			return field->value;
	}
	return NULL;
}

/* RFC 5322 3.2.2 forbids a folded line of white space only: some readers treat it as the end
   of the header. */
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

/* An index of deciding[]; DECIDING_COUNT: another field. */
static size_t find(const struct cm_header_field *field)
{
	for (size_t i = 0; i < DECIDING_COUNT; i++) {
		if (field->key_length == strlen(deciding[i].name) &&
		    strncasecmp(field->key, deciding[i].name, field->key_length) == 0)
			return i;
	}
	return DECIDING_COUNT;
}

/* No field may hide another field or the end of the header. Incoming fields that decide
   nothing need no other check. */
static const char *find_ambiguity(const struct cm_header_field *field, size_t which, bool again,
				  bool strict)
{
	const char *why = cm_header_line_breaks_check(field->value);

	if (!cm_header_name_valid(field->name, strlen(field->name)))
		return "a malformed header name";
	if (why != NULL)
		return why;
	if (again && deciding[which].once)
		return "a header that may come once and came twice";
	if (strict && has_blank_line(field->value))
		return "a folded line in a header that is blank";
	return strict || (which < DECIDING_COUNT && deciding[which].printable)
		   ? cm_header_value_check(field->value)
		   : NULL;
}

/* One block for the field and both texts. False if out of memory. */
static bool append(struct cm_headers *headers, const char *name, size_t name_size,
		   const char *value, size_t value_size)
{
	struct cm_header_field *field = malloc(sizeof(*field) + name_size + value_size);
	char *texts;

	if (field == NULL)
		return false;
	texts = (char *)(field + 1);
	memcpy(texts, name, name_size);
	memcpy(texts + name_size, value, value_size);
	*field = (struct cm_header_field){
	    .name = texts,
	    .value = texts + name_size,
	    .key_length = name_size - 1,
	};
	field->key = cm_trim(texts, &field->key_length);
	if (headers->last != NULL)
		headers->last->next = field;
	else
		headers->first = field;
	headers->last = field;
	return true;
}

bool cm_headers_add(struct cm_headers *headers, const char *name, const char *value, bool strict,
		    struct cm_finding *finding)
{
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1, which;
	const char *why;
	bool again;

	headers->bytes += name_size + value_size + 1;
	if (++headers->count > HEADERS_MAX || headers->bytes > HEADERS_BYTES_MAX)
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS,
				      "too many headers or too large");
	if (!append(headers, name, name_size, value, value_size))
		return cm_finding_set(finding, CM_REASON_INTERNAL, "out of memory");
	which = find(headers->last);
	again = which < DECIDING_COUNT && (headers->seen & 1U << which) != 0;
	if (again && strcmp(deciding[which].name, "From") == 0)
		return cm_finding_set(finding, CM_REASON_FROM_HEADER, "a second From header");
	if (which < DECIDING_COUNT)
		headers->seen |= 1U << which;
	why = find_ambiguity(headers->last, which, again, strict);
	if (why != NULL)
		cm_finding_set(&headers->ambiguous, CM_REASON_AMBIGUOUS_HEADER, why);
	if (which < DECIDING_COUNT && deciding[which].bounded && !again &&
	    value_size - 1 > HEADER_DECIDING_MAX)
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS, "a header that is too long");
	return true;
}

/* "1.0" with or without comments, which do not leave (outgoing_fields.c). */
static bool is_mime_version(const char *value)
{
	if (!cm_skip_cfws(&value, CM_COMMENTS_ANY) || strncmp(value, "1.0", 3) != 0)
		return false;
	value += 3;
	return cm_skip_cfws(&value, CM_COMMENTS_ANY) && *value == '\0';
}

const char *cm_headers_check_mime(const struct cm_headers *headers, bool strict)
{
	const char *version = cm_headers_get(headers, "MIME-Version");
	const char *encoding = cm_headers_get(headers, "Content-Transfer-Encoding");

	if (version == NULL && strict)
		return "no MIME-Version header";
	if (version != NULL && !is_mime_version(version))
		return "a MIME-Version header that does not say 1.0";
	if (encoding != NULL && !cm_text_is(encoding, "7bit") && !cm_text_is(encoding, "8bit") &&
	    (strict || !cm_text_is(encoding, "binary")))
		return "a transfer encoding that no multipart may have";
	return NULL;
}
