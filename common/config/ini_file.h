/*
 * ini_file - reads chatmail.ini's format
 *
 * The format is that of upstream's reader (Python's iniconfig):
 *
 *	# comment           also with ';', and after blanks
 *	[section]           a comment may follow
 *	name = value        or "name: value"; nothing in a value is a comment
 *	  more of the value, after blanks; empty lines and comments may stand between
 *
 * Blanks around names and values are ignored. No library fits: inih, the C library that all
 * distributions package, cuts lines at 200 bytes and treats " ;" in a value as a comment.
 */
#ifndef CM_INI_FILE_H
#define CM_INI_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"

/* One "name = value"; section is "" before the first section. continues: the value is another
   line of the previous pair. Returning false with err filled stops the reading. */
typedef bool cm_ini_pair_fn(void *context, unsigned int line, const char *section, const char *name,
			    const char *value, bool continues, struct cm_error *err);

/* Calls pair for each pair of the file in order. False with err filled ("path:line: ...") if the
   file cannot be read or has another format, or pair returned false. */
bool cm_ini_file_read(const char *path, cm_ini_pair_fn *pair, void *context, struct cm_error *err);

/* The same for an open stream; path is for messages only. */
bool cm_ini_stream_read(FILE *stream, const char *path, cm_ini_pair_fn *pair, void *context,
			struct cm_error *err);

#endif
