#include "message_file.h"

#include <stdlib.h>
#include <string.h>

#define INSTEAD_OF_NUL '\1'

/* The length of the field that starts here, with its folded lines and without its last line
   end; *next_r is the start of the next one. */
static size_t field_length(const char *data, size_t length, size_t *next_r)
{
	size_t at = 0, end;

	do {
		const char *newline = memchr(data + at, '\n', length - at);

		end = newline != NULL ? (size_t)(newline - data) : length;
		at = newline != NULL ? end + 1 : length;
	} while (at < length && (data[at] == ' ' || data[at] == '\t'));
	*next_r = at;
	if (end > 0 && data[end - 1] == '\r')
		end--;
	return end;
}

/* The length of the name that starts here; 0: this is not a field. White space after the name
   is part of it. */
static size_t name_length(const char *data, size_t length)
{
	size_t name = 0, end;

	while (name < length && data[name] > ' ' && data[name] < 0x7f && data[name] != ':')
		name++;
	for (end = name; end < length && (data[end] == ' ' || data[end] == '\t');)
		end++;
	return name > 0 && end < length && data[end] == ':' ? end : 0;
}

static enum cm_message_file_status feed_field(const struct cm_message_file_reader *reader,
					      const char *text, size_t name, size_t length)
{
	char *field = malloc(length + 1);
	bool go_on;

	if (field == NULL)
		return CM_MESSAGE_FILE_NO_MEMORY;
	for (size_t i = 0; i < length; i++)
		field[i] = (char)(text[i] == '\0' ? INSTEAD_OF_NUL : text[i]);
	field[length] = '\0';
	field[name] = '\0';
	go_on = reader->header(reader->context, field, field + name + 1);
	free(field);
	return go_on ? CM_MESSAGE_FILE_OK : CM_MESSAGE_FILE_STOPPED;
}

static enum cm_message_file_status feed_body(const struct cm_message_file_reader *reader,
					     const char *data, size_t length)
{
	while (length > 0) {
		size_t chunk = length < CM_MESSAGE_FILE_CHUNK ? length : CM_MESSAGE_FILE_CHUNK;

		if (!reader->body(reader->context, data, chunk))
			return CM_MESSAGE_FILE_STOPPED;
		data += chunk;
		length -= chunk;
	}
	return CM_MESSAGE_FILE_OK;
}

enum cm_message_file_status cm_message_file_read(const struct cm_message_file_reader *reader,
						 const char *data, size_t length)
{
	while (length > 0) {
		size_t next;
		size_t field = field_length(data, length, &next);
		size_t name = name_length(data, field);
		enum cm_message_file_status status;

		if (name == 0) {
			size_t skipped = field == 0 ? next : 0; /* the empty line */

			data += skipped;
			length -= skipped;
			break;
		}
		status = feed_field(reader, data, name, field);
		if (status != CM_MESSAGE_FILE_OK)
			return status;
		data += next;
		length -= next;
	}
	if (!reader->end_of_headers(reader->context))
		return CM_MESSAGE_FILE_STOPPED;
	return feed_body(reader, data, length);
}
