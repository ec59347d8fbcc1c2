/*
 * pid_file - the process ID of a daemon, and a lock against a second instance
 *
 * The lock is one of fcntl(2): the kernel releases it when the process ends, so a file left
 * behind by a crash does not block a later start.
 */
#ifndef CM_PID_FILE_H
#define CM_PID_FILE_H

#include "error.h"

/* Writes the process ID and keeps the file locked as long as the result, a file descriptor, is
   open: -1 with err filled if another process holds the lock. A symbolic link, or a file with
   several links, is refused: the directory may belong to an ordinary user. */
int cm_pid_file_open(const char *path, struct cm_error *err);

/* Removes the file, or empties it if it may not be removed, and closes the descriptor; sets it
   to -1. Does nothing if *fd is -1. */
void cm_pid_file_remove(const char *path, int *fd);

#endif
