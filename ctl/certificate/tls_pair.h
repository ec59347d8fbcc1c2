/*
 * tls_pair - the certificate and key of the servers: do they match, and how long are they valid?
 */
#ifndef CM_TLS_PAIR_H
#define CM_TLS_PAIR_H

#include <stdbool.h>
#include <time.h>

#include "config.h"
#include "error.h"

/* Paths of a certificate, with those of its issuers after it, and of its key. */
struct cm_tls_files {
	const char *certificate, *key;
};

struct cm_tls_pair {
	time_t not_before, not_after;
	bool self_signed;
	unsigned char fingerprint[32]; /* SHA-256 of the certificate */
	/* The other hosts of the relay for which the certificate is not valid: bits of enum
	   cm_tls_host. Set by cm_tls_pair_check(). */
	unsigned int missing;
};

/* The web server's names beside the relay's own. */
enum cm_tls_host {
	CM_TLS_MTA_STS = 1 << 0,
	CM_TLS_AUTOCONFIG = 1 << 1,
};

/* Reads tls_certificate of the configuration, the first certificate of the file. False with err
   filled if that is impossible. */
bool cm_tls_pair_read(const struct cm_config *config, struct cm_tls_pair *pair_r,
		      struct cm_error *err);

/* Reads both files, and checks that the key matches the certificate, and that the certificate
   is valid now and for the relay's name or address. False with err filled if servers should
   not use them. */
bool cm_tls_pair_check(const struct cm_config *config, const struct cm_tls_files *files, time_t now,
		       struct cm_tls_pair *pair_r, struct cm_error *err);

/* Copies checked files to the servers' paths, unless they are there already. Each copy
   replaces the old file atomically. False with err filled on failure. */
bool cm_tls_pair_install(const struct cm_config *config, const struct cm_tls_files *files,
			 struct cm_error *err);

/* True if the operator should renew it: less than 21 days are left, or less than a quarter of
   its life if that is shorter (authorities issue certificates for addresses for six days). */
bool cm_tls_pair_ends_soon(const struct cm_tls_pair *pair, time_t now);

#endif
