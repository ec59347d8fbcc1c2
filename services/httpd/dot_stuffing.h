/*
 * dot_stuffing - make a message's lines safe for SMTP's DATA (RFC 5321 4.5.2)
 *
 * Peers post messages with the dots at the start of lines doubled, as filtermail does, or not, as
 * madmail does. A line that begins with two dots counts as doubled, every other line that begins
 * with a dot gets another one; a lone dot as the very last line is dropped. Whatever the input,
 * no line of the output is a lone dot, and the output ends with a line end. Bare LFs begin lines,
 * too.
 */
#ifndef CM_DOT_STUFFING_H
#define CM_DOT_STUFFING_H

#include <stddef.h>

enum cm_dot_state {
	CM_DOT_LINE_START,
	CM_DOT_TEXT,
	CM_DOT_HELD,    /* a dot at the start of a line, not written yet */
	CM_DOT_HELD_CR, /* and a CR */
	CM_DOT_HELD_LF, /* and a line end: the lone dot, if nothing follows */
};

struct cm_dot_stuffing {
	enum cm_dot_state state;
	char held[3]; /* after the dot: "", "\r", "\n" or "\r\n" */
	char last[2]; /* the last two bytes written */
};

typedef void cm_dot_put_fn(void *context, const char *data, size_t length);

void cm_dot_stuffing_init(struct cm_dot_stuffing *stuffing);
void cm_dot_stuffing_write(struct cm_dot_stuffing *stuffing, const char *data, size_t length,
			   cm_dot_put_fn *put, void *context);
void cm_dot_stuffing_end(struct cm_dot_stuffing *stuffing, cm_dot_put_fn *put, void *context);

#endif
