/*
 * tls_trust - do the public authorities vouch for the servers' certificate?
 */
#ifndef CM_TLS_TRUST_H
#define CM_TLS_TRUST_H

#include "config.h"

/* Verifies the chain in tls_certificate by the authorities that this machine trusts: X509_V_OK, or
   why not, as X509_verify_cert_error_string() has it. */
int cm_tls_trust_verify(const struct cm_config *config);

#endif
