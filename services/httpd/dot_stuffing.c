#include "dot_stuffing.h"

#include <stdbool.h>
#include <string.h>

void cm_dot_stuffing_init(struct cm_dot_stuffing *stuffing)
{
	*stuffing = (struct cm_dot_stuffing){.state = CM_DOT_LINE_START};
}

static void emit(struct cm_dot_stuffing *stuffing, const char *data, size_t length,
		 cm_dot_put_fn *put, void *context)
{
	if (length == 0)
		return;
	put(context, data, length);
	stuffing->last[0] = length > 1 ? data[length - 2] : stuffing->last[1];
	stuffing->last[1] = data[length - 1];
}

/* Writes the held dot doubled, and the bytes after it. */
static void release(struct cm_dot_stuffing *stuffing, cm_dot_put_fn *put, void *context)
{
	emit(stuffing, "..", 2, put, context);
	emit(stuffing, stuffing->held, strlen(stuffing->held), put, context);
	stuffing->held[0] = '\0';
}

/* The state after a held dot and one more byte. */
static void after_dot(struct cm_dot_stuffing *stuffing, char c, cm_dot_put_fn *put, void *context)
{
	size_t held = strlen(stuffing->held);

	if (stuffing->state == CM_DOT_HELD && c == '.') {
		emit(stuffing, "..", 2, put, context);
		stuffing->state = CM_DOT_TEXT;
	} else if (stuffing->state == CM_DOT_HELD && c == '\r') {
		strcpy(stuffing->held, "\r");
		stuffing->state = CM_DOT_HELD_CR;
	} else if (stuffing->state != CM_DOT_HELD_LF && c == '\n') {
		stuffing->held[held] = '\n';
		stuffing->held[held + 1] = '\0';
		stuffing->state = CM_DOT_HELD_LF;
	} else {
		bool line_ended = stuffing->state == CM_DOT_HELD_LF;

		release(stuffing, put, context);
		stuffing->state = line_ended && c == '.' ? CM_DOT_HELD
				  : c == '\n'            ? CM_DOT_LINE_START
							 : CM_DOT_TEXT;
		if (stuffing->state != CM_DOT_HELD)
			emit(stuffing, &c, 1, put, context);
	}
}

void cm_dot_stuffing_write(struct cm_dot_stuffing *stuffing, const char *data, size_t length,
			   cm_dot_put_fn *put, void *context)
{
	size_t start = 0;

	for (size_t i = 0; i < length; i++) {
		if (stuffing->state == CM_DOT_TEXT || stuffing->state == CM_DOT_LINE_START) {
			if (stuffing->state == CM_DOT_LINE_START && data[i] == '.') {
				emit(stuffing, data + start, i - start, put, context);
				stuffing->state = CM_DOT_HELD;
				start = i + 1;
			} else {
				stuffing->state = data[i] == '\n' ? CM_DOT_LINE_START : CM_DOT_TEXT;
			}
		} else {
			after_dot(stuffing, data[i], put, context);
			start = i + 1;
		}
	}
	emit(stuffing, data + start, length - start, put, context);
}

void cm_dot_stuffing_end(struct cm_dot_stuffing *stuffing, cm_dot_put_fn *put, void *context)
{
	/* A held dot is the end of the message in its wire form. Postfix recognizes the end of
	   the data only after CR LF. */
	if (stuffing->last[1] == '\r')
		emit(stuffing, "\n", 1, put, context);
	else if (memcmp(stuffing->last, "\r\n", 2) != 0)
		emit(stuffing, "\r\n", 2, put, context);
	cm_dot_stuffing_init(stuffing);
}
