/*
 * deliveries - messages that Postfix is currently delivering
 */
#ifndef CM_DELIVERIES_H
#define CM_DELIVERIES_H

#include <stdbool.h>

#include "error.h"

/* Waits until each message to our domain that Postfix is delivering at the call has been
   delivered or deferred: then all mail that was sent to a mailbox before is in it. Needs root,
   as mailq does. False with err filled after 15 minutes, longer than Postfix waits for LMTP,
   or if the queue cannot be read. */
bool cm_deliveries_wait(const char *domain, struct cm_error *err);

#endif
