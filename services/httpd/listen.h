/*
 * listen - the listening sockets of the web service
 */
#ifndef CM_HTTPD_LISTEN_H
#define CM_HTTPD_LISTEN_H

#include <stdbool.h>

#include "error.h"

/* Binds and listens on "HOST:PORT", "[IPv6]:PORT" or "unix:PATH". A Unix socket replaces one
   on which no process listens; its mode is 0660, and its group is its directory's if that has
   the set-group-ID bit. The result is non-blocking and close-on-exec; -1 with err filled on
   failure. *local_r: only this machine can connect. */
int cm_httpd_listen(const char *where, bool *local_r, struct cm_error *err);

/* Removes the name of a Unix socket; nothing for other places. */
void cm_httpd_unlink(const char *where);

/* The path in "unix:PATH"; NULL for a port. */
const char *cm_httpd_socket_path(const char *where);

#endif
