/*
 * certificate - self-signed certificates
 *
 * For relays that no public authority certifies: those without a name and test relays, whose domain
 * begins with an underscore.
 */
#ifndef CM_CERTIFICATE_H
#define CM_CERTIFICATE_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "error.h"

/* Creates a certificate for host, a domain name or an IP address without brackets, that is valid
   from yesterday on for days days, with the key in the file key_path, or with a new P-256 key if
   that is NULL. Both results are PEM, malloc'd and NUL-terminated; the key is a secret. */
bool cm_certificate_make(const char *host, unsigned int days, const char *key_path,
			 char **certificate_r, char **key_r, struct cm_error *err);

/* Reads a private key without a passphrase. NULL with err filled. */
EVP_PKEY *cm_certificate_read_key(const char *path, struct cm_error *err);

#endif
