/*
 * route - one path of the web service
 *
 * Each route is one row of a table in main.c. A handler gets a complete, bounded request and
 * fills a reply; it does not depend on libmicrohttpd. The metrics' handlers run one at a time;
 * those of the web run in several threads.
 */
#ifndef CM_HTTPD_ROUTE_H
#define CM_HTTPD_ROUTE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "registration_limits.h"
#include "stats.h"

/* The context of all handlers. It must outlive the server. */
struct cm_httpd_context {
	const struct cm_config *config;
	struct cm_stats *stats;
	struct cm_limits *limits; /* NULL if no accounts are created */
};

/* Longest value of a query. */
#define CM_HTTPD_VALUE_MAX 128

struct cm_httpd_request {
	const char *body; /* not NUL-terminated; NULL without a body */
	size_t body_length;
	/* The client: the address that a proxy on this machine forwards, otherwise the peer. */
	struct cm_source source;
	const char *host; /* the Host field as received; "" if absent */
	/* From the query, as received; "" if absent or longer than CM_HTTPD_VALUE_MAX. */
	const char *token; /* "?TOKEN" or "?t=TOKEN" */
	bool cross_site;   /* a browser sent it, for a page of another site */
};

/* The server frees body and location. Status 200 and an empty plain text unless the handler says
   otherwise. */
struct cm_httpd_reply {
	unsigned int status;
	const char *content_type;
	char *body; /* malloc'd, or NULL */
	size_t body_length;
	char *location;           /* malloc'd, or NULL: none */
	unsigned int retry_after; /* seconds; 0: no such header */
};

typedef void cm_httpd_handler_fn(const struct cm_httpd_context *context,
				 const struct cm_httpd_request *request,
				 struct cm_httpd_reply *reply);

/* Maximum number of recipients in one request. */
#define CM_HTTPD_RECIPIENTS_MAX 500

/* The header of a streamed request. */
struct cm_httpd_envelope {
	char peer[INET6_ADDRSTRLEN]; /* numeric: the client, as above */
	const char *sender;          /* X-MAIL-FROM; "" if absent */
	const char *recipients[CM_HTTPD_RECIPIENTS_MAX];
	size_t recipient_count; /* of X-MAIL-TO; larger than the array: too many */
};

/* A request whose body is processed as it arrives. */
struct cm_httpd_stream {
	/* NULL: refused, and reply is filled. */
	void *(*begin)(const struct cm_httpd_context *context,
		       const struct cm_httpd_envelope *envelope, struct cm_httpd_reply *reply);
	void (*data)(void *stream, const char *data, size_t length);
	/* The body is complete: fills reply and frees the stream. */
	void (*end)(void *stream, struct cm_httpd_reply *reply);
	/* The client has disconnected: frees the stream. */
	void (*cancel)(void *stream);
};

struct cm_httpd_route {
	const char *method; /* "GET" answers HEAD, too */
	const char *path;   /* the whole path, without the query */
	size_t body_max;    /* reply to a longer request body: 413 */
	cm_httpd_handler_fn *handle;
	const struct cm_httpd_stream *stream; /* instead of handle; body_max is max_message_size */
};

/* POST /mxdeliv: mail from another relay. */
extern const struct cm_httpd_stream cm_httpd_mxdeliv;

/* GET /metrics: the statistics as OpenMetrics text. */
cm_httpd_handler_fn cm_httpd_metrics;

/* POST /new: creates an account and returns its credentials as JSON. */
cm_httpd_handler_fn cm_httpd_new;

/* GET /new: redirects a browser to the client. */
cm_httpd_handler_fn cm_httpd_new_redirect;

/* GET /new/qr.svg: on a relay with login links, the QR code of a new one. */
cm_httpd_handler_fn cm_httpd_new_qr;

/* POST /invite/qr: the body is an invitation's token; returns the QR code of the link that
   creates an account with it, as SVG. The token need not be valid. */
cm_httpd_handler_fn cm_httpd_invite_qr;

#endif
