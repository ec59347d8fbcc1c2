#include "lines.h"

#include <string.h>

void cm_lines_init(struct cm_lines *lines, cm_line_fn *line, void *context)
{
	lines->line = line;
	lines->context = context;
	lines->too_long = false;
	lines->held_length = 0;
}

static bool hand_on(struct cm_lines *lines, const char *line, size_t length)
{
	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (length > CM_LINE_MAX) {
		lines->too_long = true;
		return false;
	}
	return lines->line(lines->context, line, length);
}

static bool hold(struct cm_lines *lines, const char *data, size_t length)
{
	if (length > sizeof(lines->held) - lines->held_length) {
		lines->too_long = true;
		return false;
	}
	memcpy(lines->held + lines->held_length, data, length);
	lines->held_length += length;
	return true;
}

bool cm_lines_write(struct cm_lines *lines, const char *data, size_t length)
{
	const char *end = data + length;

	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));

		if (newline == NULL)
			return hold(lines, data, (size_t)(end - data));
		if (lines->held_length == 0) {
			if (!hand_on(lines, data, (size_t)(newline - data)))
				return false;
		} else {
			if (!hold(lines, data, (size_t)(newline - data)))
				return false;
			if (!hand_on(lines, lines->held, lines->held_length))
				return false;
			lines->held_length = 0;
		}
		data = newline + 1;
	}
	return true;
}

bool cm_lines_end(struct cm_lines *lines)
{
	size_t length = lines->held_length;

	lines->held_length = 0;
	return length == 0 || hand_on(lines, lines->held, length);
}
