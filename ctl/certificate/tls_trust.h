/*
 * tls_trust - does a public authority certify the servers' certificate?
 */
#ifndef CM_TLS_TRUST_H
#define CM_TLS_TRUST_H

#include "config.h"

/* Verifies the chain in tls_certificate with the authorities that this machine trusts:
   X509_V_OK, or an error for X509_verify_cert_error_string(). */
int cm_tls_trust_verify(const struct cm_config *config);

#endif
