/*
 * route - the mail domains that accept mail over HTTPS, as known so far
 *
 * A bounded table in memory; forgotten domains are probed again. A domain that failed over HTTPS
 * is left to SMTP for ROUTE_SMTP_SECONDS (upstream's filtermail: 30 minutes). If it has accepted a
 * message over HTTPS before, its server is probably only restarting: it is left to SMTP for
 * ROUTE_RETRY_SECONDS, and for twice as long after each further failure without an accepted
 * message.
 */
#ifndef TRANSPORT_ROUTE_H
#define TRANSPORT_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#define ROUTE_SMTP_SECONDS  1800
#define ROUTE_RETRY_SECONDS 60
/* Longest domain with its terminating NUL (RFC 1035 2.3.4, and brackets of an address literal). */
#define ROUTE_DOMAIN_SIZE 256

enum route {
	ROUTE_UNKNOWN,
	ROUTE_PROBING, /* unknown, a probe is pending */
	ROUTE_HTTPS,
	ROUTE_SMTP,
};

/* Copies an address's domain in lower case. Returns false if the address has no domain, or if
   the domain is invalid as a domain, an address literal, or a file name. */
bool route_read_domain(const char *address, char domain[ROUTE_DOMAIN_SIZE]);

struct route_table;

/* NULL if out of memory. */
struct route_table *route_table_new(void);
void route_table_free(struct route_table **table);

/* now: cm_clock_seconds(). domain: lower case. */
enum route route_find(const struct route_table *table, const char *domain, int64_t now);
void route_learn(struct route_table *table, const char *domain, enum route route, int64_t now);
/* The domain has accepted a message over HTTPS; a probe does not prove that much. */
void route_accepted(struct route_table *table, const char *domain, int64_t now);

#endif
