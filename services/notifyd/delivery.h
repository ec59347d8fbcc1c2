/*
 * delivery - requests out, answers in, and what they mean for the entries
 *
 * 200 means sent, 410 that the token is dead, anything else (or nothing) that it is to be tried
 * again. A file is removed only after the answer. If that fails nothing more is sent until it
 * succeeds, for what cannot be removed would be sent again after the next start.
 */
#ifndef NOTIFYD_DELIVERY_H
#define NOTIFYD_DELIVERY_H

#include "notifier_state.h"

/* Starts what may be started. */
void delivery_start(struct notifier *notifier, int64_t now);
/* When delivery_start() may have something to do, apart from answers that come. */
int64_t delivery_due(const struct notifier *notifier, int64_t now);
/* Takes an answer: a sender_done_fn. */
void delivery_done(void *context, void *request, const struct sender_answer *answer);

#endif
