#include "feed.h"

#include <stdlib.h>
#include <string.h>

/* The length of the field that starts here, with its folded lines and without its last line end;
 *next_r is where the next one starts. */
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

static enum cm_feed_status feed_field(const struct cm_feed *feed, const char *text, size_t length)
{
	enum cm_feed_status status = CM_FEED_MALFORMED;
	char *field, *colon;

	if (memchr(text, '\0', length) != NULL)
		return CM_FEED_MALFORMED;
	field = strndup(text, length);
	if (field == NULL)
		return CM_FEED_NO_MEMORY;
	colon = strchr(field, ':');
	if (colon != NULL) {
		*colon = '\0';
		status =
		    feed->header(feed->context, field, colon + 1) ? CM_FEED_OK : CM_FEED_STOPPED;
	}
	free(field);
	return status;
}

enum cm_feed_status cm_feed_message(const struct cm_feed *feed, const char *data, size_t length)
{
	while (length > 0) {
		size_t next;
		size_t field = field_length(data, length, &next);
		enum cm_feed_status status;

		if (field > 0) {
			status = feed_field(feed, data, field);
			if (status != CM_FEED_OK)
				return status;
		}
		data += next;
		length -= next;
		if (field == 0)
			break;
	}
	if (!feed->end_of_headers(feed->context))
		return CM_FEED_STOPPED;
	while (length > 0) {
		size_t chunk = length < CM_FEED_CHUNK ? length : CM_FEED_CHUNK;

		if (!feed->body(feed->context, data, chunk))
			return CM_FEED_STOPPED;
		data += chunk;
		length -= chunk;
	}
	return CM_FEED_OK;
}
