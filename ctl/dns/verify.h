/*
 * verify - check the relay's records in the DNS
 *
 * It queries each authoritative server, and then the local resolver, which may have an old record
 * in its cache: missing, wrong and stale records have different remedies.
 */
#ifndef CM_VERIFY_H
#define CM_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "query.h"
#include "zone.h"

/* Further authoritative servers are not queried. */
#define CM_VERIFY_SERVERS_MAX 8

enum cm_dns_state {
	CM_RIGHT,
	CM_MISSING,
	CM_WRONG,
	CM_STALE,   /* right at the authority, old at the resolver */
	CM_UNKNOWN, /* no answer */
};

/* "ok", "missing", ... */
extern const char *const cm_dns_state_names[];

struct cm_dns_finding {
	enum cm_dns_state state;
	bool needed;
	enum cm_record_type type;
	char *name, *found;
	char *fix; /* the remedy, a sentence; NULL if right */
};

struct cm_dns_findings {
	struct cm_dns_finding *list;
	size_t count, room;
};

struct cm_server {
	char *name; /* "ns1.example." */
	struct cm_query *query;
};

struct cm_servers {
	struct cm_server list[CM_VERIFY_SERVERS_MAX];
	size_t count;
	struct cm_query *local;
};

/* Finds the servers of the domain's zone; server, unless it is "", replaces them. resolver is
   the local one, as for cm_query_new(). False with err filled if libunbound cannot be used. */
bool cm_servers_find(struct cm_servers *servers_r, const char *domain, const char *server,
		     const char *resolver, struct cm_error *err);
void cm_servers_free(struct cm_servers *servers);

/* The host in the domain's only MX record, if it is not the domain and has one of the
   addresses (without addresses, any host): malloc'd, NULL otherwise. */
char *cm_verify_find_host(const struct cm_servers *servers, const char *domain,
			  char *const *addresses);

/* Checks all records of the zone. False with err filled if out of memory. */
bool cm_verify(const struct cm_servers *servers, const struct cm_zone *zone,
	       struct cm_dns_findings *findings_r, struct cm_error *err);
void cm_dns_findings_free(struct cm_dns_findings *findings);

#endif
