/*
 * delivery - one message to one mail domain over HTTPS, with a result per recipient
 *
 * /mxdeliv replies for the message as a whole. If a peer refuses it and there are several
 * recipients, it is posted again for each separately, so that one unknown recipient does not
 * affect the others.
 *
 * Mail for a peer without a usable reply goes by SMTP for a while (route.h). The message stays in
 * Postfix's queue; Postfix looks up the route again at its next attempt.
 */
#ifndef TRANSPORT_DELIVERY_H
#define TRANSPORT_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "mx.h"
#include "route.h"
#include "spool.h"

/* Longest reply of a peer that is passed on. */
#define DELIVERY_TEXT_SIZE 512

/* Shared by all deliveries. */
struct delivery_world {
	struct loop *loop;
	struct mx *mx;
	struct route_table *routes;
	bool private_peers;        /* private addresses are peers, too */
	struct delivery *finished; /* internal */
};

/* Seconds of CLOCK_MONOTONIC. */
int64_t delivery_now(void);

struct delivery_result {
	int code;                      /* 250, 4xx or 5xx; 0: not yet */
	char text[DELIVERY_TEXT_SIZE]; /* "4.4.1 ...", one line of printable ASCII */
};

struct delivery;

/* All recipients have a result. */
typedef void delivery_done_fn(void *context, const struct delivery_result *results);

struct delivery_message {
	const char *domain; /* lower case; "[ADDRESS]" for a literal */
	const char *sender;
	const char *const *recipients;
	size_t recipient_count;
	const struct spool *spool;
};

/* All of message is borrowed until the call-back, which comes later. NULL if out of memory. */
struct delivery *delivery_start(struct delivery_world *world,
				const struct delivery_message *message, delivery_done_fn *done,
				void *context);

/* Probes the domain in the background and records the result. */
void delivery_probe(struct delivery_world *world, const char *domain);

/* Calls back for all finished deliveries. Call it after each loop_run(). */
void delivery_finish(struct delivery_world *world);

/* Cancels the call-back and sets the pointer to NULL. NULL is fine. */
void delivery_cancel(struct delivery **delivery);

#endif
