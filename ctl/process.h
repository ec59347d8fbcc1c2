/*
 * process - run another program and read what it prints
 */
#ifndef CM_PROCESS_H
#define CM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Longest output that is kept; the rest is read and dropped. */
#define CM_PROCESS_OUTPUT_MAX 4194304

/* Exit status when the program does not exist, as in the shell. */
#define CM_PROCESS_NOT_FOUND 127

struct cm_process_result {
	int status;   /* exit status; 128 + the signal that ended it */
	char *output; /* malloc'd, NUL-terminated; the caller frees it */
	size_t length;
};

/* Runs argv (found by PATH, the list ends with NULL) with /dev/null as its input and waits for it.
   It has our real user's rights (see owner.h). The output is what it writes to standard output,
   with errors also what it writes to standard error. False with err filled if it cannot be run at
   all. */
bool cm_process_run(const char *const *argv, bool errors, struct cm_process_result *result_r,
		    struct cm_error *err);

#endif
