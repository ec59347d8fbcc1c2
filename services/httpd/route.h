/*
 * route - what one path of the web service does
 *
 * Each route is one file of this directory and one row of a table in main.c. A handler gets a
 * whole, bounded request and fills a reply; it sees nothing of libmicrohttpd. Handlers run one at a
 * time in the server's thread, so they must not wait for anybody.
 */
#ifndef CM_HTTPD_ROUTE_H
#define CM_HTTPD_ROUTE_H

#include <stddef.h>

#include "config.h"
#include "stats.h"

/* What handlers work with. Lives as long as the server. */
struct cm_httpd_context {
	const struct cm_config *config;
	struct cm_stats *stats;
};

struct cm_httpd_request {
	const char *body; /* not NUL-terminated; NULL if there is none */
	size_t body_length;
};

/* The server frees the body. Status 200 and an empty plain text unless the handler says more. */
struct cm_httpd_reply {
	unsigned int status;
	const char *content_type;
	char *body; /* malloc'd, or NULL */
	size_t body_length;
};

typedef void cm_httpd_handler_fn(const struct cm_httpd_context *context,
				 const struct cm_httpd_request *request,
				 struct cm_httpd_reply *reply);

struct cm_httpd_route {
	const char *method; /* "GET" answers HEAD, too */
	const char *path;   /* the whole path, without the query */
	size_t body_max;    /* a longer request body is answered 413 */
	cm_httpd_handler_fn *handle;
};

/* GET /metrics: the statistics as OpenMetrics text. */
cm_httpd_handler_fn cm_httpd_metrics;

#endif
