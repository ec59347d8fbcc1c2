/*
 * socketmap - answers Postfix which way a recipient's mail goes (socketmap_table(5))
 *
 * Asked for "user@domain" it answers a transport(5) entry, `chatmail:unix:PATH`, if the domain is
 * to get its mail over HTTPS, else that it has no entry, so that Postfix's own rules (SMTP) apply.
 * PATH is a symbolic link to the LMTP socket with the domain's name, so that Postfix schedules
 * every domain by itself: one that does not answer holds nobody up.
 *
 * The answer never waits for the network. An unknown domain's mail goes by SMTP at once (or by
 * HTTPS, with `outbound = https`), while a probe finds out what it speaks.
 */
#ifndef TRANSPORT_SOCKETMAP_H
#define TRANSPORT_SOCKETMAP_H

#include "delivery.h"
#include "error.h"

struct socketmap_server;

/* listener: taken. directory: where the links are made; lmtp_socket: what they lead to; both are
   absolute and copied. always_https: no domain is left to SMTP. NULL with err filled on failure. */
struct socketmap_server *socketmap_server_new(struct delivery_world *world, int listener,
					      const char *directory, const char *lmtp_socket,
					      bool always_https, struct cm_error *err);
void socketmap_server_free(struct socketmap_server **server);

#endif
