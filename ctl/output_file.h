/*
 * output_file - files that a command replaces
 */
#ifndef CM_OUTPUT_FILE_H
#define CM_OUTPUT_FILE_H

#include <stdbool.h>

#include "error.h"

/* True if path names a regular file, or nothing: replacing a device such as /dev/null, or a link
   such as /dev/stdout, would destroy it. Otherwise false with err filled. */
bool cm_output_file_may_replace(const char *path, struct cm_error *err);

/* Replaces the content of path atomically, readable by everyone; if path is a directory, the
   file is default_name in it. False with err filled. */
bool cm_output_file_write(const char *path, const char *default_name, const char *text,
			  struct cm_error *err);

#endif
