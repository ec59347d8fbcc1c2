/*
 * post - HTTPS requests to a peer's /mxdeliv
 *
 * Certificates are verified against the system's authorities (or SSL_CERT_FILE, SSL_CERT_DIR),
 * except for peers that cannot have one: address literals, and test relays whose name begins with
 * "_". Redirects are not followed. HTTP/2 if the peer supports it; its connections are kept and
 * shared.
 */
#ifndef TRANSPORT_POST_H
#define TRANSPORT_POST_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"
#include "mx.h"
#include "spool.h"

struct post_answer {
	long status;      /* of HTTP; 0: no reply */
	bool sent;        /* the peer may have received the whole message */
	bool kept;        /* no reply: a connection of an earlier request has ended */
	const char *text; /* the body's beginning, NUL-terminated, any bytes */
};

typedef void post_done_fn(void *context, const struct post_answer *answer);

struct post_target {
	const char *host;                     /* the host name that the certificate must have */
	const struct mx_addresses *addresses; /* of the host */
	bool verify;                          /* false: encrypt only */
};

struct post_message {
	const char *sender;            /* "": the null sender */
	const char *const *recipients; /* at least one */
	size_t recipient_count;
	const struct spool *spool; /* in SMTP's wire form, dot-stuffed, without the final dot */
};

struct post;

/* Posts a message, or, if it is NULL, checks whether the peer has /mxdeliv. All arguments are
   borrowed until the call-back, which comes later. NULL if out of memory or if a value is not
   allowed in a request. */
struct post *post_start(struct loop *loop, const struct post_target *target,
			const struct post_message *message, post_done_fn *done, void *context);

/* Cancels the call-back and sets the pointer to NULL. NULL is fine. */
void post_cancel(struct post **post);

/* Calls back for all finished requests. Call it after each loop_run(). */
void post_finish(struct loop *loop);

#endif
