/*
 * turn - TURN credentials for clients, as METADATA announces them
 *
 * The value is "HOST:PORT:USERNAME:PASSWORD". With turn_secret_file they are computed: USERNAME
 * is the Unix time at which they expire, PASSWORD the base64 of HMAC-SHA1(secret, USERNAME)
 * (draft-uberti-behave-turn-rest-00 2.2); the TURN server (coturn: use-auth-secret) shares the
 * secret. With turn_socket_path they come from upstream's TURN daemon, which sends one line,
 * "USERNAME:PASSWORD", on each connection to its Unix socket.
 */
#ifndef CM_TURN_H
#define CM_TURN_H

#include <time.h>

#include "config.h"
#include "error.h"

enum cm_turn_status {
	CM_TURN_OK,
	CM_TURN_OFF,     /* no secret, and no daemon's socket: clients use their own default */
	CM_TURN_TROUBLE, /* err is filled */
};

/* *value_r is on the data stack on CM_TURN_OK, otherwise NULL. May wait for the daemon, for
   two seconds at most. */
enum cm_turn_status cm_turn_credentials(const struct cm_config *config, time_t now,
					const char **value_r, struct cm_error *err);

#endif
