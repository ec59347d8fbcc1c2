/*
 * process - run another program and read its output
 */
#ifndef CM_PROCESS_H
#define CM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "error.h"

/* Exit status when the program does not exist, as in the shell. */
#define CM_PROCESS_NOT_FOUND 127

struct cm_process_result {
	int status;   /* exit status; 128 + the signal that ended it */
	char *output; /* malloc'd, NUL-terminated; the caller frees it */
	size_t length;
};

/* Runs argv (found by PATH, terminated by NULL) with /dev/null as its input and waits for it.
   It has the rights of our real user (see owner.h). The result contains its standard output
   and, if errors is true, its standard error. False with err filled if it cannot be run. */
bool cm_process_run(const char *const *argv, bool errors, struct cm_process_result *result_r,
		    struct cm_error *err);

/* A program whose output is read as it comes. */
struct cm_process_stream {
	FILE *stream;
	pid_t pid;
};

/* Starts argv likewise; the output is what it writes to standard output. False with err filled, and
   without a stream, if it cannot be run. */
bool cm_process_open(const char *const *argv, struct cm_process_stream *process_r,
		     struct cm_error *err);

/* Ends the program and closes the stream. */
void cm_process_close(struct cm_process_stream *process);

#endif
