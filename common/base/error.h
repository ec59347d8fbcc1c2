/*
 * error - why something failed, in one sentence for a person
 *
 * A function that can fail returns bool or an enum and fills a struct cm_error. The caller nearest
 * to the user prints it. Every function here accepts a NULL error and does nothing then.
 */
#ifndef CM_ERROR_H
#define CM_ERROR_H

/* Longest error text, including the terminating NUL. A longer one ends in "...". */
#define CM_ERROR_SIZE 1024

struct cm_error {
	char text[CM_ERROR_SIZE];
};

/* Sets the text. No trailing full stop or newline. */
void cm_error_set(struct cm_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, followed by ": " and the description of errno as it was at the call. */
void cm_error_set_errno(struct cm_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
