/*
 * output_file - a file that others read while it is rewritten repeatedly
 */
#ifndef CM_OUTPUT_FILE_H
#define CM_OUTPUT_FILE_H

#include <stdbool.h>

#include "error.h"

/* Replaces the content of path atomically, readable by everyone; if path is a directory, the
   file is default_name in it. False with err filled. */
bool cm_output_file_write(const char *path, const char *default_name, const char *text,
			  struct cm_error *err);

#endif
