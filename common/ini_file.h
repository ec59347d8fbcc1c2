/*
 * ini_file - reads an ini file with inih, lines of any length
 */
#ifndef CM_INI_FILE_H
#define CM_INI_FILE_H

#include <stdbool.h>

#include "error.h"

/* One "name = value". continues: the value goes on with another line (or another piece of a long
   one). False stops the reading; err is filled then. */
typedef bool cm_ini_pair_fn(void *context, unsigned int line, const char *section, const char *name,
			    const char *value, bool continues, struct cm_error *err);

/* Calls pair for each pair of the file in order. False with err filled ("path:line: ...") if the
   file cannot be read or is no ini file, or pair said so. */
bool cm_ini_file_read(const char *path, cm_ini_pair_fn *pair, void *context, struct cm_error *err);

#endif
