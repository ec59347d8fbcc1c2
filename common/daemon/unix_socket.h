/*
 * unix_socket - a listening Unix socket in the file system
 */
#ifndef CM_UNIX_SOCKET_H
#define CM_UNIX_SOCKET_H

#include <sys/types.h>

#include "error.h"

/* Listens at path; the socket is non-blocking and close-on-exec. mode is that of the socket file,
   whatever the umask; its group is its directory's if that has the set-group-ID bit. A socket on
   which no process listens is replaced; one with a listener is an error. Changes the process's
   umask for a moment. backlog: as for listen(). -1 with err filled on failure. */
int cm_unix_socket_listen(const char *path, mode_t mode, int backlog, struct cm_error *err);

#endif
