/*
 * log_source - where lines of the mail log come from: files with their rotated predecessors, or
 * journald; several, merged by time
 */
#ifndef CM_LOG_SOURCE_H
#define CM_LOG_SOURCE_H

#include <stdbool.h>
#include <time.h>

#include "error.h"
#include "log_line.h"

enum cm_log_next {
	CM_LOG_NEXT_LINE,
	CM_LOG_NEXT_NONE, /* no line now; only when following */
	CM_LOG_NEXT_END,
};

struct cm_log_sources;

/* files: paths of logs, ended by NULL; an empty list stands for the machine's own. Lines from
   before since may come, too. With follow, the result has no end. NULL with err filled. */
struct cm_log_sources *cm_log_sources_open(const char *const *files, time_t since, bool follow,
					   struct cm_error *err);

/* The earliest line of all sources. */
enum cm_log_next cm_log_sources_next(struct cm_log_sources *sources, struct cm_log_line *line_r);

/* Frees and sets to NULL. */
void cm_log_sources_close(struct cm_log_sources **sources);

#endif
