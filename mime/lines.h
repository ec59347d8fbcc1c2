/*
 * lines - split text that arrives in arbitrary pieces into lines
 *
 * A line ends at LF; one CR before it belongs to the end. A line within one piece is passed on in
 * place, without a copy.
 */
#ifndef CM_LINES_H
#define CM_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 5322 2.1.1: without its end. */
#define CM_LINE_MAX 998

/* Called for each line, without its end. False: stop. */
typedef bool cm_line_fn(void *context, const char *line, size_t length);

struct cm_lines {
	cm_line_fn *line;
	void *context;
	bool too_long; /* the reason why cm_lines_write() returned false, unless line() did */
	size_t held_length;
	char held[CM_LINE_MAX + 1]; /* the start of a line, which may include its CR */
};

void cm_lines_init(struct cm_lines *lines, cm_line_fn *line, void *context);

/* False if line() returned false or a line is longer than CM_LINE_MAX. */
bool cm_lines_write(struct cm_lines *lines, const char *data, size_t length);

/* Passes on a last line without an end. */
bool cm_lines_end(struct cm_lines *lines);

#endif
