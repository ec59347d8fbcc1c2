/*
 * turn - TURN credentials for clients, as METADATA announces them
 *
 * The value is "HOST:PORT:USERNAME:PASSWORD". With turn_secret_file they are computed: USERNAME is
 * the Unix time they end, PASSWORD the base64 of HMAC-SHA1(secret, USERNAME)
 * (draft-uberti-behave-turn-rest-00 2.2); the TURN server (coturn: use-auth-secret) shares the
 * secret. With turn_socket_path upstream's TURN daemon is asked: it answers a connection to its
 * Unix socket with one line, "USERNAME:PASSWORD".
 */
#ifndef CM_TURN_H
#define CM_TURN_H

#include <stddef.h>
#include <time.h>

#include "config.h"
#include "error.h"

#define CM_TURN_PORT     3478
#define CM_TURN_LIFETIME (5 * 86400)

#define CM_SHA1_SIZE 20

/* HMAC-SHA1 by whatever library the program has: a Dovecot process has one of its own, and linking
   OpenSSL into each of thousands would cost more than the rest of our plugin. */
typedef void cm_hmac_sha1_fn(const void *key, size_t key_length, const void *data,
			     size_t data_length, unsigned char digest_r[CM_SHA1_SIZE]);

enum cm_turn_status {
	CM_TURN_OK,
	CM_TURN_OFF,     /* no secret, and no daemon's socket: clients use their own default */
	CM_TURN_TROUBLE, /* err is filled */
};

/* *value_r is malloc'd on CM_TURN_OK; the caller wipes and frees it. May wait for the daemon, two
   seconds at most. */
enum cm_turn_status cm_turn_credentials(const struct cm_config *config, time_t now,
					cm_hmac_sha1_fn *hmac_sha1, char **value_r,
					struct cm_error *err);

#endif
