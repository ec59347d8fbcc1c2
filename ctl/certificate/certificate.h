/*
 * certificate - self-signed certificates
 *
 * For relays that no public authority certifies: those without a name and test relays, whose domain
 * begins with an underscore.
 */
#ifndef CM_CERTIFICATE_H
#define CM_CERTIFICATE_H

#include <stdbool.h>

#include "error.h"

/* Creates a P-256 key and a certificate for host, a domain name or an IP address without
   brackets, that is valid from yesterday on for days days. Both results are PEM, malloc'd and
   NUL-terminated; the key is a secret. */
bool cm_certificate_make(const char *host, unsigned int days, char **certificate_r, char **key_r,
			 struct cm_error *err);

#endif
