/*
 * turn_login - user name and password for a TURN server that shares a secret with us
 *
 * The user name is the Unix time until which the login is valid, the password its HMAC-SHA1 by the
 * secret, in Base64 (draft-uberti-behave-turn-rest-00 2.2; coturn's use-auth-secret).
 */
#ifndef CM_TURN_LOGIN_H
#define CM_TURN_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "error.h"

/* Clients know no other port. */
#define CM_TURN_PORT 3478

/* Seconds; upstream's. */
#define CM_TURN_LIFETIME (5 * 86400)

/* Longest content of the secret's file. */
#define CM_TURN_SECRET_MAX 1024

struct cm_turn_login {
	char username[24];
	char password[32];
};

/* Returns the file's content without a line end, malloc'd. NULL with err filled; an empty file is
 * an error. Free it with cm_turn_secret_free(), which wipes it. */
char *cm_turn_secret_read(const char *path, struct cm_error *err);
void cm_turn_secret_free(char *secret);

/* A login that is valid until the given time. */
bool cm_turn_login_make(const char *secret_file, time_t until, struct cm_turn_login *login_r,
			struct cm_error *err);

#endif
