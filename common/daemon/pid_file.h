/*
 * pid_file - the process id of a daemon, and its lock against a second one
 *
 * The lock is one of fcntl(2): it ends with the process, however that ends, so a file left behind
 * by a crash blocks no later start.
 */
#ifndef CM_PID_FILE_H
#define CM_PID_FILE_H

#include "error.h"

/* Writes the process id and keeps the file locked as long as the result, a file descriptor, is
   open: -1 with err filled if another process holds the lock. A symbolic link, or a file with
   several links, is refused: the directory may belong to an ordinary user. */
int cm_pid_file_open(const char *path, struct cm_error *err);

/* Removes the file, or empties it where that is not allowed, and closes the descriptor; sets it to
   -1. -1 does nothing. */
void cm_pid_file_remove(const char *path, int *fd);

#endif
