/*
 * server - a bounded HTTP server around libmicrohttpd
 *
 * A few threads with epoll. Every connection serves one request and has a time limit, so a client
 * that sends single bytes occupies its place no longer than others; the number of connections and
 * the memory of each are bounded, and so is one client's share of those that take long: an IPv4
 * address or an IPv6 network of 64 bits is one client. Nothing about clients is logged.
 */
#ifndef CM_HTTPD_SERVER_H
#define CM_HTTPD_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "route.h"

#define CM_HTTPD_HEADERS_MAX 16384 /* bytes of a request's line and headers */

struct cm_httpd_limits {
	unsigned int connections;
	unsigned int threads;      /* 0: one */
	bool blocks;               /* its handlers block for long: one thread for each connection */
	unsigned int per_client;   /* streamed requests of one client at a time; 0: any number */
	size_t header_bytes;       /* 0: CM_HTTPD_HEADERS_MAX */
	unsigned int idle_seconds; /* seconds of silence */
	unsigned int life_seconds; /* until the request is complete */
};

struct cm_httpd;

/* Serves the routes (the last has a NULL path) on the listening socket, which it takes over, even
   on failure. routes and context must outlive the server. NULL with err filled on failure. */
struct cm_httpd *cm_httpd_start(int listen_fd, const struct cm_httpd_route *routes,
				const struct cm_httpd_context *context,
				const struct cm_httpd_limits *limits, struct cm_error *err);

/* Call it about once a second: it ends connections that exceed their time. */
void cm_httpd_sweep(struct cm_httpd *server);

/* Closes all connections whose request is incomplete, waits for the replies to the others, and
   frees. Sets the pointer to NULL; NULL is fine. */
void cm_httpd_stop(struct cm_httpd **server);

#endif
