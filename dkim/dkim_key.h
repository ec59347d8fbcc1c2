/*
 * dkim_key - a key record from the DNS, and the verification of a signature with it (RFC 6376
 * 3.6.1, RFC 8463)
 */
#ifndef CM_DKIM_KEY_H
#define CM_DKIM_KEY_H

#include <stddef.h>

#include "dkim_signature.h"

enum cm_dkim_answer {
	CM_DKIM_ANSWER_VALID,
	CM_DKIM_ANSWER_INVALID,
	CM_DKIM_ANSWER_TROUBLE, /* an internal failure, such as a lack of memory */
};

/* Verifies the signature over the header's digest with the record's key. *why_r gets a constant
   sentence unless it is valid. */
enum cm_dkim_answer cm_dkim_key_verify(const char *record, size_t length,
				       const struct cm_dkim_signature *signature,
				       const unsigned char digest[CM_DKIM_HASH_SIZE],
				       const char **why_r);

#endif
