/*
 * delivery - send requests, and process the entries according to the replies
 *
 * 200 means sent, 410 that the token is dead; any other reply, or none, means retry. A file is
 * removed only after the reply. If that fails, no more requests are sent until it succeeds:
 * otherwise such entries would be sent again after the next start.
 */
#ifndef NOTIFYD_DELIVERY_H
#define NOTIFYD_DELIVERY_H

#include "notifier_state.h"

/* Starts all requests that are allowed now. */
void delivery_start(struct notifier *notifier, int64_t now);
/* The time when delivery_start() may have something to do, apart from new replies. */
int64_t delivery_due(const struct notifier *notifier, int64_t now);
/* Processes a reply: a sender_done_fn. */
void delivery_done(void *context, void *subject, const struct sender_answer *answer);

#endif
