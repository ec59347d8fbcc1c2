/*
 * peer_address - the addresses to which mail may be posted
 *
 * A domain's owner decides where its MX points. If it pointed to the operator's inner network, or
 * to this machine itself, we would send requests there. `outbound_private = true` allows that.
 */
#ifndef TRANSPORT_PEER_ADDRESS_H
#define TRANSPORT_PEER_ADDRESS_H

#include <stdbool.h>

#include "mx.h"

/* A public address in numeric form, and not one of this machine. */
bool peer_address_allowed(const char *text);

/* Keeps the addresses that are allowed; MX_FOUND becomes MX_NONE if none remains. */
void peer_addresses_filter(struct mx_addresses *addresses);

/* The address in "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) or, as relays without a
   name write it, "[2001:db8::1]". False if the domain is not an address literal. */
bool peer_address_read_literal(const char *domain, char address[INET6_ADDRSTRLEN]);

#endif
