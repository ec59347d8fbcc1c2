/*
 * interrupt - long work that Ctrl-C ends in an orderly way
 */
#ifndef CM_INTERRUPT_H
#define CM_INTERRUPT_H

#include <stdbool.h>

#include "error.h"

/* From now on the first SIGINT, SIGTERM or SIGHUP only makes cm_interrupted() true; the second ends
   the process. A signal that is ignored stays ignored. */
void cm_interrupt_catch(void);

/* True, with err filled, after such a signal: the caller then removes its unfinished files. */
bool cm_interrupted(struct cm_error *err);

#endif
