/*
 * stale_pushes - delete entries of the push queue that are too old to send
 *
 * The notifier drops entries that it could not send within 5 h. Older files remain if it does not
 * run, or are temporary files of a killed delivery.
 */
#ifndef EXPIRE_STALE_PUSHES_H
#define EXPIRE_STALE_PUSHES_H

#include "state.h"

void expire_stale_pushes(struct expire_state *state);

#endif
