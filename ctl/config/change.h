/*
 * change - the change of each managed file, and lists of changes
 */
#ifndef CM_CHANGE_H
#define CM_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "managed.h"

enum cm_outcome {
	CM_UNCHANGED, /* equal to the template */
	CM_CREATED,
	CM_CHANGED,  /* unchanged since our last run, and the templates or chatmail.ini changed */
	CM_MERGED,   /* the same, with the operator's edits kept */
	CM_EDITED,   /* only the operator changed it: it stays */
	CM_REPLACED, /* the file existed before: a copy is kept in FILE.chatmail-old */
	CM_CONFLICT, /* both sides changed the same lines */
	CM_DELETED,  /* the operator removed it: it is not created again */
	CM_REMOVED,  /* no template creates it any more */
	CM_LEFT,     /* the same, but the operator edited it: it stays */
	CM_HIDDEN,   /* a copy beside a file; not listed */
	CM_OUTCOME_COUNT,
};

/* One word each, for text and JSON output. */
extern const char *const cm_outcome_names[CM_OUTCOME_COUNT];

/* Contents may be absent: the file does not exist, or we never wrote it. */
struct cm_change {
	char *path;           /* without root */
	const char *template; /* "postfix/main.cf"; NULL: no template creates it any more */
	enum cm_outcome outcome;
	struct cm_owner owner;
	struct cm_managed before, after;           /* the file */
	struct cm_managed base_before, base_after; /* as rendered from the templates */
	struct cm_managed fresh;                   /* as rendered now */
};

struct cm_changes {
	struct cm_change *list;
	size_t count, room;
};

/* Appends a change for path, with all contents absent. NULL if out of memory. Valid until the
   next one is added. */
struct cm_change *cm_changes_add(struct cm_changes *changes, const char *path);
struct cm_change *cm_changes_find(const struct cm_changes *changes, const char *path);
void cm_changes_free(struct cm_changes *changes);

/* True if the change affects a file or its recorded state. */
bool cm_change_pending(const struct cm_change *change);

#endif
