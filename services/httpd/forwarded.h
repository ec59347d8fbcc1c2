/*
 * forwarded - who asks, by the word of a proxy
 */
#ifndef CM_HTTPD_FORWARDED_H
#define CM_HTTPD_FORWARDED_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "registration_limits.h"

/* The client's address: the last element of field, the last X-Forwarded-For of the request (NULL:
   there is none), because that one was written by the proxy and all before it by whoever talked to
   the proxy. peer is the other end of the connection: only a proxy of this machine (a Unix socket,
   loopback) is believed. From one that forwards no address every client is 127.0.0.1, so that the
   limits hold. */
void cm_httpd_client_address(const struct sockaddr *peer, const char *field,
			     char address[INET6_ADDRSTRLEN]);

/* The same as the rates count it. */
struct cm_source cm_httpd_source(const struct sockaddr *peer, const char *field);

#endif
