/*
 * listen - the socket that the web service takes connections from
 */
#ifndef CM_HTTPD_LISTEN_H
#define CM_HTTPD_LISTEN_H

#include <stdbool.h>

#include "error.h"

/* Binds and listens on "HOST:PORT" ("[IPv6]:PORT"). The result is non-blocking and close-on-exec;
   -1 with err filled on failure. *loopback_r: only this machine can connect. */
int cm_httpd_listen(const char *host_port, bool *loopback_r, struct cm_error *err);

#endif
