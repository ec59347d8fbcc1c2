/*
 * unix_socket - a listening Unix socket in the file system
 */
#ifndef TRANSPORT_UNIX_SOCKET_H
#define TRANSPORT_UNIX_SOCKET_H

#include <sys/types.h>

#include "error.h"

/* Listens at path, non-blocking and close-on-exec. A socket that a killed program left behind
   is replaced; a socket on which another program listens is an error. mode: that of the socket
   file, whatever the umask. -1 with err filled on failure. */
int unix_socket_listen(const char *path, mode_t mode, struct cm_error *err);

#endif
