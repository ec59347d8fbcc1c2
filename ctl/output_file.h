/*
 * output_file - a file that others read while it is written again and again
 */
#ifndef CM_OUTPUT_FILE_H
#define CM_OUTPUT_FILE_H

#include <stdbool.h>

#include "error.h"

/* Gives path this content at once, readable by everyone; the file is default_name in path if that
   is a directory. False with err filled. */
bool cm_output_file_write(const char *path, const char *default_name, const char *text,
			  struct cm_error *err);

#endif
