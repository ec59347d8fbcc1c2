/*
 * turn_login - user name and password for a TURN server that shares a secret with us
 *
 * The user name is the Unix time until which the login is valid, the password its HMAC-SHA1 by the
 * secret, in Base64 (draft-uberti-behave-turn-rest-00 2.2; coturn's use-auth-secret).
 */
#ifndef CM_TURN_LOGIN_H
#define CM_TURN_LOGIN_H

#include <stdbool.h>
#include <time.h>

#include "error.h"

/* Clients support no other port. */
#define CM_TURN_PORT 3478

/* In seconds; the same as upstream's. */
#define CM_TURN_LIFETIME (5 * 86400)

struct cm_turn_login {
	char username[24];
	char password[32];
};

/* A login that is valid until the given time. secret_file contains the secret. False with err
   filled if it cannot be read. */
bool cm_turn_login_make(const char *secret_file, time_t until, struct cm_turn_login *login_r,
			struct cm_error *err);

#endif
