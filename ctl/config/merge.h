/*
 * merge - three-way merges and differences, by diff3(1) and diff(1) of GNU diffutils
 *
 * Debian always has them, Alpine has them in one small package; a merge library (libgit2) would
 * add a hundred times the code to a program that runs as root.
 */
#ifndef CM_MERGE_H
#define CM_MERGE_H

#include "error.h"
#include "managed.h"

enum cm_merge {
	CM_MERGE_CLEAN,
	CM_MERGE_CONFLICT, /* both sides changed the same lines */
	CM_MERGE_FAILED,   /* err is filled */
};

/* Applies the changes from base to theirs to mine. workdir is a private directory for this
   module's files. *merged_r is malloc'd after CM_MERGE_CLEAN. */
enum cm_merge cm_merge(const char *workdir, const struct cm_managed *base,
		       const struct cm_managed *mine, const struct cm_managed *theirs,
		       struct cm_managed *merged_r, struct cm_error *err);

/* The unified difference, malloc'd; "" if the contents are equal. The labels are in its
   header. */
char *cm_merge_diff(const char *workdir, const struct cm_managed *from, const char *from_label,
		    const struct cm_managed *to, const char *to_label, struct cm_error *err);

#endif
