/*
 * file - small files: bounded reads, atomic writes
 *
 * All calls work below a directory descriptor (AT_FDCWD is fine) and never follow a symbolic link
 * in the last component. They return false with errno set; the caller names the file for the user.
 */
#ifndef CM_FILE_H
#define CM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Bytes that cm_file_random_name() writes, with the terminating NUL. */
#define CM_FILE_RANDOM_SIZE 33

enum cm_file_write {
	CM_FILE_REPLACE = 0,    /* rename over an existing file */
	CM_FILE_NO_REPLACE = 1, /* EEXIST if the name exists */
	CM_FILE_DURABLE = 2,    /* fsync the file before, the directory after */
};

/* 32 random hexadecimal digits, so that no two processes use one temporary name. */
bool cm_file_random_name(char name[CM_FILE_RANDOM_SIZE]);

/* Reads a regular file of at most max bytes: *data_r is malloc'd and has a NUL after the last byte.
   EFBIG if it is longer, EINVAL if it is not a regular file. */
bool cm_file_read(int directory, const char *name, size_t max, char **data_r, size_t *length_r);

/* Writes the file under a temporary name (tmp_prefix and random digits) and renames it: readers see
   the whole file or none. flags: enum cm_file_write, combined by |. */
bool cm_file_write(int directory, const char *name, const char *tmp_prefix, const void *data,
		   size_t length, mode_t mode, int flags);

/* read() until max bytes or the end of the file, also if signals interrupt it. Returns the number
   of bytes; -1 on failure. */
ssize_t cm_file_read_fully(int fd, void *data, size_t max);

/* write() of all bytes, also if signals interrupt it. */
bool cm_file_write_fully(int fd, const void *data, size_t length);

/* close() that keeps errno. A negative fd is allowed. */
void cm_file_close(int fd);

/* flock() that is repeated if a signal interrupts it. operation: LOCK_SH or LOCK_EX, with or
   without LOCK_NB, or LOCK_UN. */
bool cm_file_lock(int fd, int operation);

/* mkdir -p: makes the missing directories of a path; an empty one needs none. */
bool cm_file_make_directories(const char *path, mode_t mode);

#endif
