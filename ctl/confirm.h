/*
 * confirm - ask before an action that cannot be undone
 */
#ifndef CM_CONFIRM_H
#define CM_CONFIRM_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Asks the question on standard error ("delete it?", to which " [y/N] " is added) and reads
   the answer from standard input. False with err filled if the answer is not yes, or if
   standard input is not a terminal; assume, the value of --yes, replaces the answer. */
bool cm_confirm(bool assume, const char *question, struct cm_error *err);

/* Reads a line from standard input into buffer, without echo and after the prompt if that is a
   terminal. False with err filled at the end of the input, or if the line is too long. */
bool cm_confirm_read_secret(const char *prompt, char *buffer, size_t size, struct cm_error *err);

#endif
