/*
 * socketmap - choose the transport of a recipient's mail for Postfix (socketmap_table(5))
 *
 * For "user@domain" it returns a transport(5) entry:
 *
 *	error:5.7.1 ...		the relay does not exchange mail with the domain (federation.h), or
 *				the domain is a literal of no public address: a bounce says so
 *	chatmail:unix:PATH	the domain is to get its mail over HTTPS
 *
 * or no entry, so that Postfix's own rules (SMTP) apply. PATH is a symbolic link to the LMTP
 * socket with the domain's name, so that Postfix schedules every domain separately: a domain that
 * does not answer delays no other.
 *
 * The reply never waits for the network. An unknown domain's mail goes by SMTP at once (or by
 * HTTPS, with `outbound = https`), while a probe finds out what it speaks.
 */
#ifndef TRANSPORT_SOCKETMAP_H
#define TRANSPORT_SOCKETMAP_H

#include "delivery.h"
#include "error.h"
#include "federation.h"
#include "stats.h"

struct socketmap_server;

struct socketmap_options {
	const char *directory;   /* directory of the links; absolute, copied */
	const char *lmtp_socket; /* target of the links; absolute, copied */
	enum cm_outbound outbound;
	struct cm_federation *federation; /* borrowed */
	struct cm_stats *stats;           /* borrowed, may be NULL */
};

/* listener: taken over on success. NULL with err filled on failure. */
struct socketmap_server *socketmap_server_new(struct delivery_world *world, int listener,
					      const struct socketmap_options *options,
					      struct cm_error *err);
void socketmap_server_free(struct socketmap_server **server);

#endif
