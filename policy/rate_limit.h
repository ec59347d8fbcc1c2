/*
 * rate_limit - the sending rate of each sender: GCRA over a table of fixed size
 *
 * The generic cell rate algorithm keeps one time a sender, the "theoretical arrival time": a
 * message is due every period (one minute / rate) and may come burst - 1 periods early. Constant
 * time a message. The table never grows: a sender whose time has passed needs no entry, and if
 * more senders are busy than a bucket has places, the one that will be free first is forgotten.
 * Keys are hashed with a secret, so a client cannot choose which other clients share its bucket.
 * Thread-safe.
 */
#ifndef CM_RATE_LIMIT_H
#define CM_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct cm_rate_limit;

/* NULL with err filled on failure. */
struct cm_rate_limit *cm_rate_limit_new(struct cm_error *err);
/* Adds an owner of the same table; each owner calls cm_rate_limit_free(). Returns limit. */
struct cm_rate_limit *cm_rate_limit_share(struct cm_rate_limit *limit);
void cm_rate_limit_free(struct cm_rate_limit **limit);

/* True if the key may send one more message now; counts the message. now: cm_clock_nanoseconds().
   per_minute 0: no limit. burst 0 is like 1. */
bool cm_rate_limit_take(struct cm_rate_limit *limit, const char *key, unsigned int per_minute,
			unsigned int burst, uint64_t now);

#endif
