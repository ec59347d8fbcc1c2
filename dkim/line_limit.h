/*
 * line_limit - break long lines as Postfix's SMTP client does
 *
 * A line of more than max bytes, without its end, is broken after max bytes by CRLF and a space,
 * which counts as a byte (Postfix's smtp_text_out()). A line ends at LF, with or without a CR
 * before it.
 */
#ifndef CM_LINE_LIMIT_H
#define CM_LINE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

/* Receives the text piece by piece. */
typedef void cm_line_limit_fn(void *context, const char *data, size_t length);

struct cm_line_limit {
	size_t max;
	cm_line_limit_fn *add;
	void *context;
	size_t column;    /* bytes of the current line */
	bool return_seen; /* a CR that may be part of a line end */
};

/* max: at least 2. */
void cm_line_limit_init(struct cm_line_limit *limit, size_t max, cm_line_limit_fn *add,
			void *context);
void cm_line_limit_add(struct cm_line_limit *limit, const char *data, size_t length);
void cm_line_limit_end(struct cm_line_limit *limit);

/* A field's value, whose first line begins after column bytes, with its lines broken. The caller
   frees it; NULL if out of memory. */
char *cm_line_limit_field(size_t max, size_t column, const char *value);

#endif
