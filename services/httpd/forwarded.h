/*
 * forwarded - the client's address in a proxy's request
 */
#ifndef CM_HTTPD_FORWARDED_H
#define CM_HTTPD_FORWARDED_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "registration_limits.h"

/* The client's address: the last element of field, the last X-Forwarded-For of the request
   (NULL without one). The proxy wrote that one; earlier ones come from its client. peer
   is the other end of the connection: only a proxy of this machine (a Unix socket, loopback)
   is trusted. If a proxy forwards no address, every client counts as 127.0.0.1, so that the
   limits apply. */
void cm_httpd_client_address(const struct sockaddr *peer, const char *field,
			     char address[INET6_ADDRSTRLEN]);

/* The same in the form in which the rates count it. */
struct cm_source cm_httpd_source(const struct sockaddr *peer, const char *field);

#endif
