#include "second_reader.h"

#include <gmime/gmime.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void start(void)
{
	g_mime_init();
}

void cm_second_reader_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
}

static bool is_address(const char *text, const struct cm_address *address)
{
	struct cm_address read;

	return text != NULL && cm_address_parse_quoted(text, strlen(text), &read) &&
	       cm_address_equal(&read, address);
}

/* The domain may be in A-labels or in U-labels (RFC 5890 2.3.2.1); GMime returns both forms of
   the name. */
static bool same_mailbox(InternetAddressMailbox *mailbox, const struct cm_address *address)
{
	return is_address(internet_address_mailbox_get_addr(mailbox), address) ||
	       is_address(internet_address_mailbox_get_idn_addr(mailbox), address);
}

/* Dots where RFC 5322 3.2.3 has none: such local parts need quotes. */
static bool has_odd_dots(const struct cm_address *address)
{
	const char *local = address->text;

	return local[0] == '.' || local[address->local_length - 1] == '.' ||
	       memmem(local, address->local_length, "..", 2) != NULL;
}

/* Copies the value and quotes the local part of the address at its last occurrence. NULL: it
   is already quoted, or out of memory. The caller frees it. */
static char *quote_local_part(const char *value, const struct cm_address *address)
{
	const char *at = value, *found = NULL;
	char *quoted = NULL;

	for (; (at = strcasestr(at, address->text)) != NULL; at++)
		found = at;
	if (found != NULL &&
	    asprintf(&quoted, "%.*s\"%.*s\"%s", (int)(found - value), value,
		     (int)address->local_length, found, found + address->local_length) < 0)
		return NULL;
	return quoted;
}

bool cm_second_reader_from(const char *value, const struct cm_address *address)
{
	InternetAddressList *list;
	char *quoted = NULL;
	bool same = false;

	if (has_odd_dots(address))
		quoted = quote_local_part(value, address);
	list = internet_address_list_parse(NULL, quoted != NULL ? quoted : value);
	free(quoted);
	if (list == NULL)
		return false;
	if (internet_address_list_length(list) == 1) {
		InternetAddress *only = internet_address_list_get_address(list, 0);

		same = INTERNET_ADDRESS_IS_MAILBOX(only) &&
		       same_mailbox(INTERNET_ADDRESS_MAILBOX(only), address);
	}
	g_object_unref(list);
	return same;
}

static bool same_encoding(GMimePart *part, enum cm_transfer_encoding encoding)
{
	switch (g_mime_part_get_content_encoding(part)) {
	case GMIME_CONTENT_ENCODING_DEFAULT:
	case GMIME_CONTENT_ENCODING_7BIT:
	case GMIME_CONTENT_ENCODING_8BIT:
	case GMIME_CONTENT_ENCODING_BINARY:
		return encoding == CM_TRANSFER_IDENTITY;
	case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
		return encoding == CM_TRANSFER_QUOTED_PRINTABLE;
	case GMIME_CONTENT_ENCODING_BASE64:
		return encoding == CM_TRANSFER_BASE64;
	default:
		return false;
	}
}

static bool same_type(GMimeObject *object, const char *type)
{
	GMimeContentType *content_type = g_mime_object_get_content_type(object);
	char *text = g_mime_content_type_get_mime_type(content_type);
	bool same = text != NULL && strcasecmp(text, type) == 0;

	g_free(text);
	return same;
}

static bool same_part(GMimeObject *object, const struct cm_part *part)
{
	if (!same_type(object, part->type[0] != '\0' ? part->type : "text/plain"))
		return false;
	/* Its text is not in the skeleton, and it is not encoded: RFC 2046 5.2.1 */
	if (GMIME_IS_MESSAGE_PART(object))
		return part->encoding == CM_TRANSFER_IDENTITY;
	return GMIME_IS_PART(object) && same_encoding(GMIME_PART(object), part->encoding);
}

static bool is_empty(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static bool same_multipart(GMimeObject *object, const struct cm_mime *mime, const char *type,
			   const char *protocol)
{
	GMimeMultipart *multipart;
	const char *boundary, *seen;

	if (!GMIME_IS_MULTIPART(object) || !same_type(object, type))
		return false;
	multipart = GMIME_MULTIPART(object);
	boundary = g_mime_multipart_get_boundary(multipart);
	if (boundary == NULL || strcmp(boundary, mime->boundary + 2) != 0)
		return false;
	seen = g_mime_object_get_content_type_parameter(object, "protocol");
	if (protocol == NULL ? seen != NULL : seen == NULL || strcmp(seen, protocol) != 0)
		return false;
	if (mime->strict && (!is_empty(g_mime_multipart_get_prologue(multipart)) ||
			     !is_empty(g_mime_multipart_get_epilogue(multipart))))
		return false;
	if (g_mime_multipart_get_count(multipart) != (int)mime->format->parts)
		return false;
	for (unsigned int i = 0; i < mime->format->parts; i++) {
		if (!same_part(g_mime_multipart_get_part(multipart, (int)i), &mime->part[i]))
			return false;
	}
	return true;
}

bool cm_second_reader_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime,
				const char *type, const char *protocol, struct cm_finding *finding)
{
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(skeleton->text, skeleton->length);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	/* As a part, not as a message: so GMime does not parse the lists of addresses. */
	GMimeObject *object = g_mime_parser_construct_part(parser, NULL);
	bool same = object != NULL && same_multipart(object, mime, type, protocol);

	if (object != NULL)
		g_object_unref(object);
	g_object_unref(parser);
	g_object_unref(stream);
	if (!same)
		return cm_finding_set(finding, CM_REASON_MIME_STRUCTURE,
				      "GMime reads another structure than we do");
	return true;
}
