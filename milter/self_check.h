/*
 * self_check - does libmilter still serve us?
 *
 * libmilter does not say when it stops: a worker may crash on a packet that Postfix never sends,
 * and where it is built with select(2), as Alpine's is, it resets connections whose descriptor is
 * FD_SETSIZE or more, sleeps longer and longer, and ends. So the program connects to its own socket
 * as Postfix would and, if nobody answers, ends to be started again.
 */
#ifndef CM_SELF_CHECK_H
#define CM_SELF_CHECK_H

#include <stdbool.h>

#include "worker_wakeup.h"

/* Offers the milter protocol at the address and waits for the reply, at most so long. True if it
   came. */
bool cm_self_check_answers(const struct cm_worker_wakeup_address *address, int milliseconds);

/* True if the libmilter in this process uses select(2): at most FD_SETSIZE descriptors, those of
   everything else included, can be open while it serves. */
bool cm_self_check_selects(void);

/* How many descriptors are open; 0 if that cannot be read. */
unsigned int cm_self_check_descriptors(void);

#endif
