#include "line_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cm_line_limit_init(struct cm_line_limit *limit, size_t max, cm_line_limit_fn *add,
			void *context)
{
	*limit = (struct cm_line_limit){.max = max, .add = add, .context = context};
}

/* Bytes of a line, without its end. */
static void add_text(struct cm_line_limit *limit, const char *text, size_t length)
{
	while (length > limit->max - limit->column) {
		size_t room = limit->max - limit->column;

		limit->add(limit->context, text, room);
		limit->add(limit->context, "\r\n ", 3);
		text += room;
		length -= room;
		limit->column = 1;
	}
	limit->add(limit->context, text, length);
	limit->column += length;
}

/* The bytes up to and including a line end. */
static void add_line(struct cm_line_limit *limit, const char *text, size_t length)
{
	size_t end = length >= 2 && text[length - 2] == '\r' ? 2 : 1;

	if (limit->return_seen && length == 1)
		limit->add(limit->context, "\r", 1);
	else if (limit->return_seen)
		add_text(limit, "\r", 1);
	if (limit->column + length - end <= limit->max) {
		limit->add(limit->context, text, length);
	} else {
		add_text(limit, text, length - end);
		limit->add(limit->context, text + length - end, end);
	}
	limit->return_seen = false;
	limit->column = 0;
}

void cm_line_limit_add(struct cm_line_limit *limit, const char *data, size_t length)
{
	const char *line_end;

	while ((line_end = memchr(data, '\n', length)) != NULL) {
		size_t line = (size_t)(line_end - data) + 1;

		add_line(limit, data, line);
		data += line;
		length -= line;
	}
	if (length == 0)
		return;
	if (limit->return_seen)
		add_text(limit, "\r", 1);
	limit->return_seen = data[length - 1] == '\r';
	add_text(limit, data, length - limit->return_seen);
}

void cm_line_limit_end(struct cm_line_limit *limit)
{
	if (limit->return_seen)
		add_text(limit, "\r", 1);
	limit->return_seen = false;
}

static void write_text(void *context, const char *data, size_t length)
{
	fwrite(data, 1, length, context);
}

/* No line is too long: the usual case. */
static bool fits(size_t max, size_t column, const char *value)
{
	for (;;) {
		size_t length = strcspn(value, "\n");

		if (column + length > max)
			return false;
		if (value[length] == '\0')
			return true;
		value += length + 1;
		column = 0;
	}
}

char *cm_line_limit_field(size_t max, size_t column, const char *value)
{
	struct cm_line_limit limit;
	char *text = NULL;
	size_t length;
	FILE *stream;

	if (fits(max, column, value))
		return strdup(value);
	stream = open_memstream(&text, &length);
	if (stream == NULL)
		return NULL;
	cm_line_limit_init(&limit, max, write_text, stream);
	limit.column = column < max ? column : max;
	cm_line_limit_add(&limit, value, strlen(value));
	cm_line_limit_end(&limit);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}
