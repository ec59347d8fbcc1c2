/*
 * unix_socket - a listening Unix socket in the file system
 */
#ifndef CM_UNIX_SOCKET_H
#define CM_UNIX_SOCKET_H

#include <sys/types.h>

#include "error.h"

/* Listens at path, non-blocking and close-on-exec. A socket that a killed program left behind is
   replaced; one that answers is another program's and an error. mode: of the socket's name,
   whatever the umask. -1 with err filled on failure. */
int cm_unix_socket_listen(const char *path, mode_t mode, struct cm_error *err);

#endif
