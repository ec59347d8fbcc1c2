/*
 * merge - three-way merges and differences, by diff3(1) and diff(1) of GNU diffutils
 *
 * Debian has them always, Alpine in one small package; a merge library (libgit2) would bring a
 * hundred times the code into a program that runs as root.
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

/* What changed from base to theirs is done to mine. workdir is a private directory, whose files are
   this module's. *merged_r is malloc'd after CM_MERGE_CLEAN. */
enum cm_merge cm_merge(const char *workdir, const struct cm_managed *base,
		       const struct cm_managed *mine, const struct cm_managed *theirs,
		       struct cm_managed *merged_r, struct cm_error *err);

/* The unified difference, malloc'd; "" if there is none. The labels stand in its head. */
char *cm_merge_diff(const char *workdir, const struct cm_managed *from, const char *from_label,
		    const struct cm_managed *to, const char *to_label, struct cm_error *err);

#endif
