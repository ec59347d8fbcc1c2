/*
 * mailbox - one mailbox: does the account stay, and which of its messages
 */
#ifndef EXPIRE_MAILBOX_H
#define EXPIRE_MAILBOX_H

#include "state.h"

/* Judges one mailbox and does what the rules say. */
void expire_mailbox(struct expire_state *state, const char *name);

#endif
