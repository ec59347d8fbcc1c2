/*
 * invitations - delete invitations that have been useless for a while
 */
#ifndef EXPIRE_INVITATIONS_H
#define EXPIRE_INVITATIONS_H

#include "state.h"

/* Deletes invitations that expired or were used up, and remains of killed processes. Failures
   are counted in the state. */
void expire_invitations(struct expire_state *state);

#endif
