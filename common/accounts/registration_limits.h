/*
 * registration_limits - rate limits for new accounts: in all, and for each source
 *
 * The rates are kept in one file, CM_LIMITS_FILE below run_dir (shared_file.h), mapped by every
 * process that creates accounts. Its size is fixed.
 *
 * The rates are token buckets (gcra.h): a source may create all accounts of an hour at once, then
 * one more after each corresponding part of the hour. A source is an IPv4 address or an IPv6 /64.
 * Only granted accounts take a place in the table, not refused attempts, so a flood of attempts
 * neither fills the table nor displaces entries. If the table is full of live entries
 * (max_new_accounts_per_minute = 0 and very many sources), a new entry replaces the one nearest
 * to its end. The table contains keyed hashes, no addresses; the key is chosen at random when the
 * file is created.
 */
#ifndef CM_REGISTRATION_LIMITS_H
#define CM_REGISTRATION_LIMITS_H

#include <netinet/in.h>
#include <stdint.h>

#include "config.h"
#include "error.h"

#define CM_LIMITS_FILE "limits"

/* Sources remembered at a time. */
#define CM_LIMITS_SOURCES 65536

/* The source of a request, as counted by the rates. */
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

/* Takes one account from both rates, or from none. now_ms: cm_limits_now(), or a test's time.
   A source of unknown length counts only for the total. */
enum cm_rate cm_limits_take(struct cm_limits *limits, const struct cm_config *config,
			    const struct cm_source *source, uint64_t now_ms, struct cm_error *err);

/* Returns an account that cm_limits_take() took, because it was not created. */
void cm_limits_give_back(struct cm_limits *limits, const struct cm_config *config,
			 const struct cm_source *source);

#endif
