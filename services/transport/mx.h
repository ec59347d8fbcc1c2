/*
 * mx - find the mail hosts of a domain in the DNS (RFC 5321 5.1, RFC 7505), without blocking
 *
 * Failures are never cached, so that a new record works at once.
 */
#ifndef TRANSPORT_MX_H
#define TRANSPORT_MX_H

#include <netinet/in.h>
#include <stddef.h>

#include "error.h"
#include "loop.h"

#define MX_NAME_SIZE     256
#define MX_HOSTS_MAX     3
#define MX_ADDRESSES_MAX 8

enum mx_status {
	MX_FOUND,
	MX_NONE,    /* the domain accepts no mail: a null MX, or the domain does not exist */
	MX_TROUBLE, /* no reply: try again later */
};

struct mx_hosts {
	enum mx_status status;
	size_t count;
	char name[MX_HOSTS_MAX][MX_NAME_SIZE]; /* best first, without the final dot */
};

/* Numeric addresses, IPv4 first. */
struct mx_addresses {
	enum mx_status status;
	size_t count;
	char text[MX_ADDRESSES_MAX][INET6_ADDRSTRLEN];
};

struct mx;
/* One pending question. */
struct mx_question;

typedef void mx_hosts_fn(void *context, const struct mx_hosts *hosts);
typedef void mx_addresses_fn(void *context, const struct mx_addresses *addresses);

/* server: chatmail.ini's `resolver`. NULL with err filled on failure. */
struct mx *mx_new(struct loop *loop, const char *server, struct cm_error *err);
/* No question may be pending. */
void mx_free(struct mx **mx);

/* Both call back later, never from inside the call, unless cancelled. NULL if the query cannot
   be sent now. */
struct mx_question *mx_find_hosts(struct mx *mx, const char *domain, mx_hosts_fn *done,
				  void *context);
struct mx_question *mx_find_addresses(struct mx *mx, const char *host, mx_addresses_fn *done,
				      void *context);

/* Cancels the call-back and sets the pointer to NULL. NULL is fine. */
void mx_cancel(struct mx_question **question);

#endif
