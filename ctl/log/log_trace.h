/*
 * log_trace - which lines of the mail log are about one message
 *
 * A message is known by its Message-ID, by a queue ID in Postfix and in the milter, and by a
 * session in Dovecot's LMTP. Each line that belongs to it may name the next of these.
 */
#ifndef CM_LOG_TRACE_H
#define CM_LOG_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "log_line.h"

#define CM_LOG_TRACE_MAX    64
#define CM_LOG_TRACE_ID_MAX 255

struct cm_log_trace {
	char ids[CM_LOG_TRACE_MAX][CM_LOG_TRACE_ID_MAX + 1];
	size_t count; /* further ones are not followed */
};

/* id: a queue ID or a Message-ID, with or without <>. False with err filled if it is neither. */
bool cm_log_trace_init(struct cm_log_trace *trace, const char *id, struct cm_error *err);

/* True if the line belongs to the message. Learns from it. */
bool cm_log_trace_visit(struct cm_log_trace *trace, const struct cm_log_line *line);

#endif
