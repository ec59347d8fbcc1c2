/*
 * tls_pair - the certificate and key that the servers use: do they fit, and for how long?
 */
#ifndef CM_TLS_PAIR_H
#define CM_TLS_PAIR_H

#include <stdbool.h>
#include <time.h>

#include "config.h"
#include "error.h"

struct cm_tls_pair {
	time_t not_before, not_after;
};

/* Reads tls_certificate of the configuration, the first certificate of the file. False with err
   filled if that is impossible. */
bool cm_tls_pair_read(const struct cm_config *config, struct cm_tls_pair *pair_r,
		      struct cm_error *err);

/* Also reads tls_key, and checks that it is the certificate's, that the certificate is valid now
   and for the relay's name or address. False with err filled if a server should not use them. */
bool cm_tls_pair_check(const struct cm_config *config, time_t now, struct cm_tls_pair *pair_r,
		       struct cm_error *err);

/* True if the operator should look after it: less than 21 days are left, or less than a quarter of
   its life if that is shorter (authorities issue certificates for addresses for six days). */
bool cm_tls_pair_ends_soon(const struct cm_tls_pair *pair, time_t now);

#endif
