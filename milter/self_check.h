/*
 * self_check - check that libmilter still serves
 *
 * libmilter gives no notice when it stops. A worker may crash on a packet that Postfix never
 * sends. A build with select(2), such as Alpine's, resets connections whose descriptor is
 * FD_SETSIZE or more, sleeps longer and longer, and ends. So the program connects to its own
 * socket as Postfix would; if it gets no reply, it exits and the service manager restarts it.
 */
#ifndef CM_SELF_CHECK_H
#define CM_SELF_CHECK_H

#include <stdbool.h>

#include "worker_wakeup.h"

/* Offers the milter protocol at the address and waits for the reply, at most for the given
   time. True if it came. */
bool cm_self_check_answers(const struct cm_worker_wakeup_address *address, int milliseconds);

/* True if the libmilter in this process uses select(2): then at most FD_SETSIZE descriptors,
   including all others of the process, can be open while it serves. */
bool cm_self_check_selects(void);

/* The number of open descriptors; 0 if that is unknown. */
unsigned int cm_self_check_descriptors(void);

#endif
