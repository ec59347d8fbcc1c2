/*
 * dkim_signature - one DKIM-Signature field, parsed and checked (RFC 6376 3.5, 6.1.1)
 *
 * Accepts only what this relay accepts: version 1, rsa-sha256 or ed25519-sha256 (RFC 8463), no
 * l=, h= with From, key by DNS, not expired. All checks that need neither the key nor the message
 * are made here.
 */
#ifndef CM_DKIM_SIGNATURE_H
#define CM_DKIM_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tag_list.h"

/* Maximum number of signatures of the From domain that are tried. */
#define CM_DKIM_SIGNATURES_MAX 8

#define CM_DKIM_HASH_SIZE 32 /* SHA-256 */

/* RSA of 8192 bits. */
#define CM_DKIM_SIGNATURE_BYTES_MAX 1024

/* The longest name of a key record, RFC 1035 2.3.4 as text, and a NUL. */
#define CM_DKIM_NAME_SIZE 254

enum cm_dkim_algorithm {
	CM_DKIM_RSA_SHA256,
	CM_DKIM_ED25519_SHA256,
};

struct cm_dkim_signature {
	enum cm_dkim_algorithm algorithm;
	bool relaxed_header;
	bool relaxed_body;
	bool identity_is_domain;          /* the domain of i= equals d=, as keys with t=s require */
	char domain[CM_DKIM_NAME_SIZE];   /* d= */
	char key_name[CM_DKIM_NAME_SIZE]; /* <selector>._domainkey.<domain> */
	struct cm_tag signed_names;       /* h=, points to the field's value */
	struct cm_tag signature;          /* b=, likewise */
	unsigned char body_hash[CM_DKIM_HASH_SIZE];
	unsigned char bytes[CM_DKIM_SIGNATURE_BYTES_MAX]; /* of b= */
	size_t bytes_length;
};

/* Parses a field's value, which must outlive the result. NULL if it is acceptable so far,
   otherwise the reason, a string constant. */
const char *cm_dkim_signature_parse(const char *value, size_t length, time_t now,
				    struct cm_dkim_signature *signature_r);

#endif
