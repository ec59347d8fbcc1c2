/*
 * delivery - one message to one mail domain over HTTPS, with a result per recipient
 *
 * /mxdeliv replies for the message as a whole. If a peer refuses it and there are several
 * recipients, it is posted again for each separately, so that one unknown recipient does not
 * affect the others.
 *
 * Mail for a peer without a usable reply goes by SMTP for a while (route.h). The message stays in
 * Postfix's queue; Postfix looks up the route again at its next attempt.
 *
 * A peer may accept a message although its reply does not arrive. So once a peer may have all of a
 * message, the attempt ends, with 451: no other host, connection or protocol gets the message.
 * Each attempt without a reply can leave one more copy at the peer, as in SMTP (RFC 5321
 * 4.5.3.2.6), and so can a kill of this program, for the recipients of its request in progress.
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

/* Each has a connection for up to 15 seconds, and any client of Postfix can name domains. */
#define DELIVERY_PROBES_MAX 200

/* Longest reply of a peer that is passed on. */
#define DELIVERY_TEXT_SIZE 512

/* Shared by all deliveries. */
struct delivery_world {
	struct loop *loop;
	struct mx *mx;
	struct route_table *routes;
	bool private_peers; /* private addresses are peers, too */
	struct delivery *probes[DELIVERY_PROBES_MAX];
	size_t next_probe;         /* its place, modulo the number of places */
	struct delivery *finished; /* internal */
};

struct delivery;

/* The next recipient's result, in their order, as soon as it is known, which may be within
   delivery_start(). code: 250, 4xx or 5xx. text: "4.4.1 ...", one line of printable ASCII,
   shorter than DELIVERY_TEXT_SIZE. */
typedef void delivery_result_fn(void *context, int code, const char *text);
/* All recipients have a result. */
typedef void delivery_done_fn(void *context);

struct delivery_message {
	const char *domain; /* lower case; "[ADDRESS]" for a literal */
	const char *sender;
	const char *const *recipients;
	size_t recipient_count;
	const struct spool *spool;
};

/* All of message is borrowed until done(), which comes later. NULL if out of memory. */
struct delivery *delivery_start(struct delivery_world *world,
				const struct delivery_message *message, delivery_result_fn *result,
				delivery_done_fn *done, void *context);

/* Probes the domain in the background and records the result. Ends the probe that began
   DELIVERY_PROBES_MAX before this one. */
void delivery_probe(struct delivery_world *world, const char *domain);

void delivery_end_probes(struct delivery_world *world);

/* Calls back for all finished deliveries. Call it after each loop_run(). */
void delivery_finish(struct delivery_world *world);

/* Cancels the call-backs and sets the pointer to NULL. NULL is fine. */
void delivery_cancel(struct delivery **delivery);

#endif
