/*
 * mailbox - one mailbox: delete the account, or its old messages
 */
#ifndef EXPIRE_MAILBOX_H
#define EXPIRE_MAILBOX_H

#include "state.h"

/* Applies the rules to one mailbox. */
void expire_mailbox(struct expire_state *state, const char *name);

#endif
