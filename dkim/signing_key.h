/*
 * signing_key - the private keys that sign outgoing mail (RFC 6376, RFC 8463)
 *
 * One RSA key and one Ed25519 key at most, each with its selector. They are in OpenSSL's secure
 * heap, which is locked and excluded from core dumps, and are wiped when they are freed. Only the
 * values that OpenSSL derives from an RSA key to sign faster are in ordinary memory; they are
 * wiped, too.
 */
#ifndef CM_SIGNING_KEY_H
#define CM_SIGNING_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include "dkim_signature.h"
#include "error.h"

#define CM_SIGNING_KEYS_MAX 2

/* Suffix of the Ed25519 key's selector, and so of its file. */
#define CM_SIGNING_ED25519_SUFFIX "-ed25519"

struct cm_signing_key {
	enum cm_dkim_algorithm algorithm;
	EVP_PKEY *key;
	char selector[CM_DKIM_NAME_SIZE];
};

struct cm_signing_keys {
	struct cm_signing_key key[CM_SIGNING_KEYS_MAX];
	size_t count;
};

/* Reads <directory>/<selector>.private and <selector>-ed25519.private, PEM without a password;
   one of them may be missing. prefix precedes both names. False with err filled, naming the
   file, if there is no key or one is unusable. */
bool cm_signing_keys_read(const char *directory, const char *prefix, const char *selector,
			  struct cm_signing_keys *keys_r, struct cm_error *err);
void cm_signing_keys_free(struct cm_signing_keys *keys);

/* The key's DNS record for <selector>._domainkey.<domain>: "v=DKIM1; k=...; p=...". The
   caller frees it. NULL if out of memory. */
char *cm_signing_key_record(const struct cm_signing_key *key);

/* Signs a SHA-256 digest. bytes_r has room for CM_DKIM_SIGNATURE_BYTES_MAX. False on failure. */
bool cm_signing_key_sign(const struct cm_signing_key *key,
			 const unsigned char digest[CM_DKIM_HASH_SIZE], unsigned char *bytes_r,
			 size_t *length_r);

#endif
