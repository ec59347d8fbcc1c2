/*
 * shared_file - one file of fixed size in run_dir that all our processes map
 *
 * A file is written completely under a temporary name and renamed, with the directory locked by
 * flock(): a reader never sees half a file, and if two processes create it, both use the first. A
 * file of another layout (another version of the package), of another user, or of another kind (a
 * symbolic link) is replaced; a process that still maps the old one uses it until its restart.
 */
#ifndef CM_SHARED_FILE_H
#define CM_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

struct cm_shared_file {
	const char *name; /* in the directory */
	size_t size;      /* of the caller's data, in bytes */
	uint64_t layout;  /* a hash of the data's layout */
	mode_t mode;
	/* Fills the zeroed data of a new file before any other process sees it. NULL: the data
	   stays zero. */
	bool (*fill)(void *data, struct cm_error *err);
};

/* Maps the file; creates it if it is missing. directory must exist; if root creates the file,
   it gets the directory's owner and group. The result is aligned to a cache line. *fd_r,
   unless fd_r is NULL, is open for flock(); the caller closes it. NULL with err filled on
   failure. */
void *cm_shared_file_map(const char *directory, const struct cm_shared_file *file, int *fd_r,
			 struct cm_error *err);

void cm_shared_file_unmap(const struct cm_shared_file *file, void *data);

#endif
