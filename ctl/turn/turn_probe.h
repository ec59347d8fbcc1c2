/*
 * turn_probe - check that a TURN server relays for our users, and only to allowed addresses
 *
 * It does the steps of a client at the start of a call: it allocates an address with a new login,
 * requests permission for a peer, and releases the address. The peer is the server's own loopback
 * address, which must be refused: otherwise services that trust the machine itself would be
 * reachable.
 */
#ifndef CM_TURN_PROBE_H
#define CM_TURN_PROBE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"

/* Of a host with more addresses only the first ones are checked. */
#define CM_TURN_ADDRESSES_MAX 8

/* The result for one address of the server. */
struct cm_turn_finding {
	char address[INET6_ADDRSTRLEN];
	bool good;
	struct cm_error err; /* unless good */
};

/* Checks turn_host on each of its IPv4 and IPv6 addresses, with a login made with
   turn_secret_file. Waits at most timeout_ms for each of the four replies. Returns the number
   of findings; 0 with err filled if no server could be queried. */
size_t cm_turn_check(const struct cm_config *config, unsigned int timeout_ms,
		     struct cm_turn_finding findings_r[CM_TURN_ADDRESSES_MAX],
		     struct cm_error *err);

#endif
