/*
 * public_ip - is an IP address reachable from everywhere?
 */
#ifndef CM_PUBLIC_IP_H
#define CM_PUBLIC_IP_H

#include <stdbool.h>

/* family: AF_INET with a struct in_addr or AF_INET6 with a struct in6_addr. False for
   addresses that the IANA registries of special-purpose addresses (RFC 6890) keep from the
   internet: loopback, private, link-local, shared, multicast, reserved. Addresses of
   documentation count as public. */
bool cm_public_ip(int family, const void *address);

/* The same for an address as text; false for any other text. */
bool cm_public_ip_text(const char *text);

#endif
