/*
 * delivery - sends requests, and treats the entries according to the answers
 *
 * 200 means sent, 410 that the token is dead; anything else, or no answer, means retry. A file is
 * removed only after the answer. If that fails, nothing more is sent until it succeeds: otherwise
 * such entries would be sent again after the next start.
 */
#ifndef NOTIFYD_DELIVERY_H
#define NOTIFYD_DELIVERY_H

#include "notifier_state.h"

/* Starts all requests that are allowed now. */
void delivery_start(struct notifier *notifier, int64_t now);
/* When delivery_start() may have something to do, apart from answers that come. */
int64_t delivery_due(const struct notifier *notifier, int64_t now);
/* Processes an answer: a sender_done_fn. */
void delivery_done(void *context, void *request, const struct sender_answer *answer);

#endif
