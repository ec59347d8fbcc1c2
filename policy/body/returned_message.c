#include "returned_message.h"

#include "rfc5322.h"

#include <string.h>

void cm_returned_message_init(struct cm_returned_message *returned, struct cm_finding *finding)
{
	returned->may_have_body = false;
	returned->header_ended = returned->reads_body = false;
	cm_headers_init(&returned->headers);
	cm_skeleton_init(&returned->skeleton);
	returned->finding = finding;
	returned->empty_lines = 0;
	returned->field_length = 0;
}

void cm_returned_message_free(struct cm_returned_message *returned)
{
	cm_headers_free(&returned->headers);
	cm_skeleton_free(&returned->skeleton);
}

static bool refuse(struct cm_returned_message *returned, const char *why)
{
	return cm_finding_set(returned->finding, CM_REASON_MIME_STRUCTURE, why);
}

static bool end_of_field(struct cm_returned_message *returned)
{
	char *colon;

	if (returned->field_length == 0)
		return true;
	returned->field[returned->field_length] = '\0';
	returned->field_length = 0;
	colon = strchr(returned->field, ':');
	if (colon == NULL ||
	    !cm_header_name_valid(returned->field, (size_t)(colon - returned->field)))
		return refuse(returned, "a returned header with other text");
	*colon = '\0';
	return cm_headers_add(&returned->headers, returned->field, colon + 1, false,
			      returned->finding);
}

static bool header_text(struct cm_returned_message *returned, const char *text, size_t length)
{
	if (length > CM_RETURNED_FIELD_MAX - returned->field_length)
		return cm_finding_set(returned->finding, CM_REASON_MIME_BOUNDS,
				      "a returned header field that is too long");
	memcpy(returned->field + returned->field_length, text, length);
	returned->field_length += length;
	return true;
}

static bool header_line(struct cm_returned_message *returned, const char *line, size_t length)
{
	if (memchr(line, '\0', length) != NULL)
		return refuse(returned, "a NUL in a returned header");
	if (line[0] == ' ' || line[0] == '\t')
		return returned->field_length > 0
			   ? header_text(returned, "\n", 1) && header_text(returned, line, length)
			   : refuse(returned, "a returned header with other text");
	return end_of_field(returned) && header_text(returned, line, length);
}

/* Strict, as for outgoing mail: these are messages of our users. */
static bool begin_body(struct cm_returned_message *returned)
{
	const struct cm_headers *headers = &returned->headers;
	const char *step = cm_secure_join_step(cm_headers_get(headers, "Secure-Join"));
	const char *type = cm_headers_get(headers, "Content-Type");
	const struct cm_mime_format *format = &cm_pgp_mime_format;
	const char *boundary;

	if (!returned->may_have_body)
		return refuse(returned, "a returned header with a body");
	if (headers->ambiguous.why != NULL || cm_headers_check_mime(headers, true) != NULL ||
	    type == NULL || cm_mime_value_parse(type, true, true, &returned->content_type) != NULL)
		return refuse(returned, "a returned message that we do not send");
	boundary = cm_mime_value_parameter(&returned->content_type, "boundary");
	if (boundary == NULL || !cm_mime_boundary_valid(boundary, true))
		return refuse(returned, "a returned message that we do not send");
	if (strcmp(returned->content_type.value, "multipart/encrypted") == 0) {
		cm_pgp_mime_init(&returned->body.pgp, true, returned->finding);
	} else if (strcmp(returned->content_type.value, "multipart/mixed") == 0 && step != NULL) {
		cm_secure_join_init(&returned->body.join, step, returned->finding);
		format = &cm_secure_join_format;
	} else {
		return refuse(returned, "a returned message that is not encrypted");
	}
	cm_mime_init(&returned->mime, format, &returned->body, boundary, true, &returned->skeleton,
		     returned->finding);
	returned->reads_body = true;
	return true;
}

/* If a body was truncated, the empty line before the boundary does not belong to it. */
static bool body_line(struct cm_returned_message *returned, const char *line, size_t length)
{
	if (length == 0) {
		returned->empty_lines++;
		return true;
	}
	for (; returned->empty_lines > 0; returned->empty_lines--) {
		if (!cm_mime_write(&returned->mime, "\r\n", 2))
			return false;
	}
	return cm_mime_write(&returned->mime, line, length) &&
	       cm_mime_write(&returned->mime, "\r\n", 2);
}

bool cm_returned_message_line(struct cm_returned_message *returned, const char *line, size_t length)
{
	size_t trimmed = length;

	if (returned->reads_body)
		return body_line(returned, line, length);
	if (!returned->header_ended && length > 0)
		return header_line(returned, line, length);
	if (!returned->header_ended && !end_of_field(returned))
		return false;
	returned->header_ended = true;
	cm_trim(line, &trimmed);
	return trimmed == 0 ||
	       (begin_body(returned) && cm_returned_message_line(returned, line, length));
}

bool cm_returned_message_end(struct cm_returned_message *returned)
{
	return end_of_field(returned) &&
	       (cm_headers_get(&returned->headers, "Message-ID") != NULL ||
		refuse(returned, "a returned header without Message-ID"));
}
