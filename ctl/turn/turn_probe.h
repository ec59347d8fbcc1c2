/*
 * turn_probe - checks that a TURN server relays for our users, and only where it may
 *
 * Does what a client does at the start of a call: allocates an address with a new login, asks for
 * permission to reach a peer, and gives the address back. The peer is the server's own loopback
 * address, which must be refused: services that trust the machine itself would be reachable.
 */
#ifndef CM_TURN_PROBE_H
#define CM_TURN_PROBE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"

/* A host with more addresses than this is asked at the first ones. */
#define CM_TURN_ADDRESSES_MAX 8

/* The result for one address of the server. */
struct cm_turn_finding {
	char address[INET6_ADDRSTRLEN];
	bool good;
	struct cm_error err; /* unless good */
};

/* Asks turn_host at each of its IPv4 and IPv6 addresses, with a login made by turn_secret_file, for
   timeout_ms at most each of the four times that it has to answer. The number of findings; 0 with
   err filled if no server could be asked at all. */
size_t cm_turn_check(const struct cm_config *config, unsigned int timeout_ms,
		     struct cm_turn_finding findings_r[CM_TURN_ADDRESSES_MAX],
		     struct cm_error *err);

#endif
