/*
 * dkim_canonical - the "simple" and "relaxed" forms of header fields and body (RFC 6376 3.4)
 *
 * Both are hashed as they are produced, through a small buffer. A line ends at LF, with or
 * without a CR before it, and is hashed with CRLF; a bare CR is an ordinary byte.
 */
#ifndef CM_DKIM_CANONICAL_H
#define CM_DKIM_CANONICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "dkim_signature.h"

/* SHA-256 with a buffer in front, which makes single bytes cheap. */
struct cm_dkim_hash {
	EVP_MD_CTX *context;
	bool failed;
	size_t length;
	unsigned char buffer[4096];
};

/* False if out of memory. */
bool cm_dkim_hash_init(struct cm_dkim_hash *hash);
/* False if any step failed. */
bool cm_dkim_hash_end(struct cm_dkim_hash *hash, unsigned char digest_r[CM_DKIM_HASH_SIZE]);
void cm_dkim_hash_free(struct cm_dkim_hash *hash);

/* Hashes one header field; value as received, after the colon. line_end: with CRLF after it. */
void cm_dkim_hash_field(struct cm_dkim_hash *hash, bool relaxed, const char *name,
			size_t name_length, const char *value, size_t value_length, bool line_end);

/* The body of one message in one of the two forms. */
struct cm_dkim_body {
	struct cm_dkim_hash hash;
	bool relaxed;
	bool return_seen;   /* a CR whose next byte is not known yet */
	bool space_seen;    /* relaxed: white space that may be at the line's end */
	uint64_t line_ends; /* that may be the last ones of the body */
	bool empty;         /* nothing was hashed yet */
};

bool cm_dkim_body_init(struct cm_dkim_body *body, bool relaxed);
void cm_dkim_body_add(struct cm_dkim_body *body, const char *data, size_t length);
bool cm_dkim_body_end(struct cm_dkim_body *body, unsigned char digest_r[CM_DKIM_HASH_SIZE]);
void cm_dkim_body_free(struct cm_dkim_body *body);

#endif
