/*
 * manifest - the templates and their destinations
 *
 * The file `manifest` beside the templates, a template itself. Each line is
 *
 *	TEMPLATE DESTINATION [OPTION]...
 *
 * TEMPLATE is a path below the templates; its first directory names the server, whose program
 * `check` in that directory checks the rendered files. Options:
 *
 *	once		a file for the operator's own additions: created once, not
 *			touched afterwards
 *	mode=0640	for a new file; default 0644
 *	group=NAME	for a new file, if the group exists; default root's
 */
#ifndef CM_MANIFEST_H
#define CM_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "managed.h"

struct cm_manifest_row {
	const char *template, *destination; /* the destination is absolute */
	bool once;
	struct cm_owner owner;
};

struct cm_manifest {
	char *text; /* the text that the rows point into */
	struct cm_manifest_row *rows;
	size_t count;
};

/* Reads the rendered manifest; file is its name for errors. Free with cm_manifest_free(), also
   after a failure. */
bool cm_manifest_read(const char *file, const char *rendered, struct cm_manifest *manifest_r,
		      struct cm_error *err);
void cm_manifest_free(struct cm_manifest *manifest);

#endif
