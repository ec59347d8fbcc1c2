/*
 * content - what is in a file, or that there is none
 *
 * Configuration files of other programs: any bytes, at most CM_CONTENT_MAX of them.
 */
#ifndef CM_CONTENT_H
#define CM_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

#define CM_CONTENT_MAX 1048576

/* Temporary files beside the managed ones begin with this. */
#define CM_CONTENT_TEMPORARY ".chatmailctl-"

/* data is NULL if there is no file; else malloc'd, with a NUL behind the last byte. */
struct cm_content {
	char *data;
	size_t length;
};

/* Who may read a file. */
struct cm_owner {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* Reads a regular file and, if owner_r is not NULL, its owner. An absent one is no error. */
bool cm_content_read(const char *path, struct cm_content *content_r, struct cm_owner *owner_r,
		     struct cm_error *err);

/* Gives a file its content in one step: readers find the old or the new one; if durable, also after
   a power cut. Makes missing directories (0755). Absent content: removes the file. */
bool cm_content_write(const char *path, const struct cm_content *content,
		      const struct cm_owner *owner, bool durable, struct cm_error *err);

bool cm_content_equal(const struct cm_content *a, const struct cm_content *b);

/* A copy; false with err filled if out of memory. */
bool cm_content_copy(const struct cm_content *from, struct cm_content *to_r, struct cm_error *err);

/* Frees; the content is absent then. */
void cm_content_free(struct cm_content *content);

/* Removes the temporary files that a killed run left beside path. */
void cm_content_clean(const char *path);

#endif
