/*
 * directory - directories, opened below a descriptor and never through a symbolic link
 */
#ifndef CM_DIRECTORY_H
#define CM_DIRECTORY_H

#include <dirent.h>
#include <stdbool.h>

/* Opens one directory for reading: never through a symbolic link in the last component, and
   without a change of its access time if the directory belongs to us. -1 with errno. */
int cm_directory_open(int parent_fd, const char *name);

/* Opens a directory by its path relative to parent_fd, each component like cm_directory_open().
   The empty path is parent_fd itself (duplicated). ".." is refused (EINVAL). -1 with errno. */
int cm_directory_open_beneath(int parent_fd, const char *path);

/* fdopendir() that always takes over fd, also when it fails: NULL with errno. A negative fd, the
   result of a call that failed, is allowed and leaves errno. */
DIR *cm_directory_stream(int fd);

/* "." and "..", which every directory contains. */
bool cm_directory_is_dot(const char *name);

#endif
