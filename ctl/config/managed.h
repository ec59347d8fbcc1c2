/*
 * managed - the content of a file that may be missing
 *
 * Configuration files of other programs: any bytes, at most CM_MANAGED_MAX of them.
 */
#ifndef CM_MANAGED_H
#define CM_MANAGED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

#define CM_MANAGED_MAX 1048576

/* Temporary files beside the managed ones begin with this. */
#define CM_MANAGED_TEMPORARY ".chatmailctl-"

/* data is NULL if there is no file; otherwise malloc'd, with a NUL after the last byte. */
struct cm_managed {
	char *data;
	size_t length;
};

/* Owner and mode of a file. */
struct cm_owner {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* Reads a regular file and, if owner_r is not NULL, its owner. A missing file is no error. */
bool cm_managed_read(const char *path, struct cm_managed *content_r, struct cm_owner *owner_r,
		     struct cm_error *err);

/* Replaces the content of a file atomically: readers find the old or the new one; if durable,
   also after a power cut. Creates missing directories (0755). Absent content: removes the
   file. */
bool cm_managed_write(const char *path, const struct cm_managed *content,
		      const struct cm_owner *owner, bool durable, struct cm_error *err);

/* Creates a file durably, with its owner and mode from the first moment, and missing directories
   (0755). An existing file stays: *created_r is false. False with err filled. */
bool cm_managed_create(const char *path, const struct cm_managed *content,
		       const struct cm_owner *owner, bool *created_r, struct cm_error *err);

bool cm_managed_equal(const struct cm_managed *a, const struct cm_managed *b);

/* A copy; false with err filled if out of memory. */
bool cm_managed_copy(const struct cm_managed *from, struct cm_managed *to_r, struct cm_error *err);

/* Frees the content, which is absent afterwards. */
void cm_managed_free(struct cm_managed *content);

/* Removes the temporary files that a killed run left beside path. */
void cm_managed_clean(const char *path);

#endif
