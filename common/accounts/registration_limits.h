/*
 * registration_limits - rate limits for new accounts: in all, and for each source
 *
 * The rates are kept in one file, CM_LIMITS_FILE below run_dir (shared_file.h), mapped by every
 * process that creates accounts. Its size is fixed.
 *
 * The rates are token buckets (gcra.h): a source may create all of its hour's accounts at once,
 * then one more whenever that share of the hour has passed. A source is an IPv4 address or an IPv6
 * /64. Only accounts that were granted take up a place in the table, never refused attempts, so a
 * flood of attempts from anywhere neither fills the table nor makes room in it. When the table is
 * full of live entries all the same (max_new_accounts_per_minute = 0 and very many sources), the
 * entry nearest to its end gives way. The table holds keyed hashes, no addresses, under a key that
 * is drawn when the file is made.
 */
#ifndef CM_REGISTRATION_LIMITS_H
#define CM_REGISTRATION_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"

#define CM_LIMITS_FILE "limits"

/* Sources remembered at a time. */
#define CM_LIMITS_SOURCES 65536

/* The source of a request, as the rates count it. */
struct cm_source {
	uint8_t bytes[8];
	uint8_t length; /* 4: an IPv4 address; 8: the /64 of an IPv6 address; 0: unknown */
};

struct cm_source cm_source_ipv4(const struct in_addr *address);
/* An IPv4-mapped address is the IPv4 address. */
struct cm_source cm_source_ipv6(const struct in6_addr *address);

struct cm_limits;

/* Opens or creates the file (mode 0600). NULL with err filled if that is impossible. */
struct cm_limits *cm_limits_open(const char *run_dir, struct cm_error *err);
void cm_limits_close(struct cm_limits **limits);

enum cm_rate {
	CM_RATE_OK,      /* counted */
	CM_RATE_SOURCE,  /* max_new_accounts_per_ip_per_hour */
	CM_RATE_TOTAL,   /* max_new_accounts_per_minute */
	CM_RATE_TROUBLE, /* the file could not be locked: err is filled */
};

/* Milliseconds of the clock that all processes share. */
uint64_t cm_limits_now(void);

/* Takes one account from both rates, or from none. now_ms: cm_limits_now(), or a test's time. A
 * source of unknown length counts for the total only. */
enum cm_rate cm_limits_take(struct cm_limits *limits, const struct cm_config *config,
			    const struct cm_source *source, uint64_t now_ms, struct cm_error *err);

/* Gives back what cm_limits_take() took: the account was not created after all. */
void cm_limits_give_back(struct cm_limits *limits, const struct cm_config *config,
			 const struct cm_source *source);

#endif
