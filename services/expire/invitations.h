/*
 * invitations - deletes the invitations that have been of no use for a while
 */
#ifndef EXPIRE_INVITATIONS_H
#define EXPIRE_INVITATIONS_H

#include "state.h"

/* Those that expired or were used up, and what killed processes left of others. Failures are
   counted in the state. */
void expire_invitations(struct expire_state *state);

#endif
