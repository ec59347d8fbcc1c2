/*
 * log_file - the lines of one source: a file after the files that it was rotated to, or journald
 */
#ifndef CM_LOG_FILE_H
#define CM_LOG_FILE_H

#include <stdbool.h>
#include <time.h>

#include "error.h"
#include "log_line.h"
#include "log_source.h"

struct cm_log_file;

/* Opens a log file, and before it those beside it with a longer name (mail.log.1, mail.log.2.gz)
   that were written since then. NULL with err filled. */
struct cm_log_file *cm_log_file_open(const char *path, time_t since, bool follow,
				     struct cm_error *err);

/* Opens the lines that journald has of the relay's units. NULL with err filled. */
struct cm_log_file *cm_log_file_journal(time_t since, bool follow, struct cm_error *err);

enum cm_log_next cm_log_file_next(struct cm_log_file *file, struct cm_log_line *line_r);

/* Frees and sets to NULL. */
void cm_log_file_close(struct cm_log_file **file);

#endif
