/*
 * lmtp - the server to which Postfix delivers outgoing mail (RFC 2033)
 *
 * One session per connection of Postfix's lmtp(8). Only Postfix may reach the socket; bounds are
 * checked all the same. All recipients of a message must be of one domain, as Postfix sends them
 * for a transport with a next hop per domain; another domain gets a 452, and Postfix sends it in
 * the next message.
 */
#ifndef TRANSPORT_LMTP_H
#define TRANSPORT_LMTP_H

#include "delivery.h"

struct lmtp_server;

/* max_message_bytes: a larger message is refused with 552. listener: taken over on success. NULL if
   out of memory. */
struct lmtp_server *lmtp_server_new(struct delivery_world *world, int listener,
				    size_t max_message_bytes);
/* Ends all sessions without a reply: Postfix keeps the messages and retries. */
void lmtp_server_free(struct lmtp_server **server);

/* The number of messages that are being delivered. */
size_t lmtp_server_busy(const struct lmtp_server *server);
/* Starts no more sessions and messages. */
void lmtp_server_stop(struct lmtp_server *server);

#endif
