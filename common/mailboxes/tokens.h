/*
 * tokens - an account's push tokens in upstream's metadata.json
 *
 * {"devicetoken": {"<token>": <unix time>}}; an older form is a list of tokens, which is read as
 * if each had been set now, and written as an object with the first token that is set or removed.
 * Other members of the file are kept. Writers hold flock() on metadata.json.lock and replace the
 * file atomically, so concurrent sessions lose nothing.
 */
#ifndef CM_TOKENS_H
#define CM_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "error.h"

#define CM_TOKEN_MAX        4096 /* maximum of printable bytes in a token */
#define CM_TOKENS_MAX       64   /* tokens kept per account; setting one more drops the oldest */
#define CM_TOKEN_LIFETIME   (90 * 86400) /* seconds after which an unused token is dropped */
#define CM_TOKEN_FUTURE_MAX 60           /* seconds that a time stamp may be ahead of the clock */

struct cm_tokens {
	char **token; /* oldest first, CM_TOKENS_MAX at most */
	size_t count;
};

/* True for 1..CM_TOKEN_MAX printable ASCII bytes (no space). */
bool cm_token_valid(const char *token, size_t length);

/* Adds the token or renews its time stamp; drops expired ones. mailbox_dir is the account's
   directory. False with err filled if nothing was changed. */
bool cm_tokens_set(const char *mailbox_dir, const char *token, time_t now, struct cm_error *err);

/* Removes one token; a missing one is no error. */
bool cm_tokens_remove(const char *mailbox_dir, const char *token, struct cm_error *err);

/* The valid tokens. A missing file contains none. A file that is not JSON, or larger than any
   file that we write, is an error and is not changed. */
bool cm_tokens_get(const char *mailbox_dir, time_t now, struct cm_tokens *tokens_r,
		   struct cm_error *err);

void cm_tokens_free(struct cm_tokens *tokens);

#endif
