/*
 * sender - POST requests to the push service over few, lasting connections
 *
 * libcurl's multi interface: HTTP/2 streams multiplexed over at most a few connections if the
 * server has HTTP/2, else some HTTP/1.1 connections kept alive. The server's certificate is
 * verified, with SSL_CERT_FILE or SSL_CERT_DIR of the environment if set; http_proxy, https_proxy
 * and no_proxy are respected. Redirects are not followed, and the bodies of replies are dropped.
 */
#ifndef NOTIFYD_SENDER_H
#define NOTIFYD_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Maximum number of requests in flight. */
#define SENDER_MAX 256

/* Sensible bounds for fast requests and for all requests, by the server's HTTP version. */
#define SENDER_WINDOW_HTTP2 100
#define SENDER_WINDOW_HTTP1 16

struct sender;

struct sender_answer {
	long status;         /* of HTTP; 0: no reply, error is the reason */
	int64_t started;     /* as given to sender_post() */
	bool http2;          /* the protocol used; valid only with a status */
	int64_t retry_after; /* milliseconds that the server asks to wait, 0: none */
	const char *error;   /* a static text without token or address */
};

/* A request was answered or has failed; subject is the one given to sender_post(). */
typedef void sender_done_fn(void *context, void *subject, const struct sender_answer *answer);

/* NULL with err filled on failure. The URL is copied. */
struct sender *sender_new(const char *url, sender_done_fn *done, void *context,
			  struct cm_error *err);

/* Cancels requests in flight without call-backs, and frees. */
void sender_free(struct sender **sender);

/* Starts one request; the token is copied and wiped after use. subject: the caller's own object,
   for the call-back. now: cm_clock_milliseconds(). False if there is no room. */
bool sender_post(struct sender *sender, const char *token, void *subject, int64_t now);

unsigned int sender_in_flight(const struct sender *sender);
/* The number of requests in flight that were started before a time. */
unsigned int sender_in_flight_since(const struct sender *sender, int64_t before);

/* Closes all connections, even those with unread replies. No request may be in flight. False
   if the sender is no longer usable. */
bool sender_disconnect(struct sender *sender);

/* Maximum number of descriptors in one call. */
#define SENDER_DESCRIPTORS_MAX 2

/* Waits for the network, for one of the descriptors to be readable, or for the time-out, and
   processes network events; calls back for finished requests. count: at most
   SENDER_DESCRIPTORS_MAX. */
void sender_run(struct sender *sender, const int *fds, size_t count, int timeout_ms);

#endif
