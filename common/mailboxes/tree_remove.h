/*
 * tree_remove - count and delete whole directory trees
 */
#ifndef CM_TREE_REMOVE_H
#define CM_TREE_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct cm_tree {
	uint64_t messages; /* files in cur, new and tmp */
	uint64_t bytes;    /* of all files */
};

/* Counts the tree below parent_fd/name and, unless dry_run, deletes it. Symbolic links are
   deleted, not followed. Adds to *tree. False with err filled (the first error) if a file
   remains. */
bool cm_tree_remove(int parent_fd, const char *name, bool dry_run, struct cm_tree *tree,
		    struct cm_error *err);

#endif
