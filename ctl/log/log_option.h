/*
 * log_option - values of chatmailctl log's options
 */
#ifndef CM_LOG_OPTION_H
#define CM_LOG_OPTION_H

#include <stddef.h>

#include "options.h"

#define CM_LOG_FILES_MAX 7

/* A list of texts that ends with NULL. */
struct cm_log_files {
	const char *list[CM_LOG_FILES_MAX + 1];
	size_t count;
};

cm_option_fn cm_log_option_file;   /* struct cm_log_files: one more */
cm_option_fn cm_log_option_moment; /* time_t: "1h" ago, "2026-12-31" or "2026-12-31 23:59[:59]" */

#endif
