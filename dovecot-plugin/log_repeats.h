/*
 * log_repeats - suppress lines that each of many processes would log
 */
#ifndef CM_LOG_REPEATS_H
#define CM_LOG_REPEATS_H

#include <stdbool.h>

/* True if text is such a line and any process has logged it within the last minute. If run_dir
   cannot be written, no line is suppressed. */
bool cm_log_repeats(const char *text);

#endif
