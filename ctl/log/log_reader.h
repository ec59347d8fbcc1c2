/*
 * log_reader - the lines of a stream that may still grow
 */
#ifndef CM_LOG_READER_H
#define CM_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* More of a line is skipped. The journal prints a byte as up to four characters. */
#define CM_LOG_LINE_MAX 32768

struct cm_log_reader {
	FILE *stream;
	size_t length; /* of the line that is being read */
	char line[CM_LOG_LINE_MAX + 1];
};

/* The next line without its newline, valid until the next call; NULL if no line is complete yet.
   With last, a line without a newline counts. */
char *cm_log_reader_next(struct cm_log_reader *reader, bool last);

#endif
