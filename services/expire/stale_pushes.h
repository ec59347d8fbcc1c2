/*
 * stale_pushes - entries of the push queue that nobody will send any more
 *
 * The notifier drops what it could not send within 5 h. What is older is left because it does not
 * run, or is a temporary file of a delivery that was killed.
 */
#ifndef EXPIRE_STALE_PUSHES_H
#define EXPIRE_STALE_PUSHES_H

#include "state.h"

void expire_stale_pushes(struct expire_state *state);

#endif
