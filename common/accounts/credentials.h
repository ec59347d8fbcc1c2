/*
 * credentials - names and passwords that the relay invents, and the hashes it stores
 *
 * For accounts that are created without a login: over the web and by the operator. A first login
 * is hashed by Dovecot (dovecot-plugin/auth).
 */
#ifndef CM_CREDENTIALS_H
#define CM_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "config.h"
#include "error.h"

/* Characters of an invented password: letters and digits, 130 bits, as strong as clients'
   passwords. */
#define CM_PASSWORD_LENGTH 22

/* Fills text with length random characters of the alphabet, all equally likely, and a NUL; the
   buffer must hold length + 1. The alphabet has 2 to 256 characters. False with errno set if the
   system has no random numbers. */
bool cm_random_text(char *text, size_t length, const char *alphabet);

/* Invents an address of letters and digits that the configuration accepts. An account of this name
 * may exist already. */
bool cm_credentials_address(const struct cm_config *config, struct cm_address *address_r,
			    struct cm_error *err);

/* Invents a password of CM_PASSWORD_LENGTH characters, or of password_min_length if that is
   more: malloc'd; the caller wipes and frees it. NULL with err filled on failure. */
char *cm_credentials_password(const struct cm_config *config, struct cm_error *err);

/* Hashes a password in upstream's format, {SHA512-CRYPT} with a random salt: malloc'd, NULL
   with err filled on failure. Takes milliseconds on purpose. */
char *cm_password_hash(const char *password, struct cm_error *err);

#endif
