/*
 * state - the state of `chatmailctl config`, in /var/lib/chatmail/config
 *
 *	base/PATH	each file as rendered when it was last put in place: what is
 *			different in PATH now is the operator's edit
 *	next/		a change that is being prepared; without meaning after a crash
 *	commit/		a committed change: it is completed, also after a crash
 *	history/N/	the changes of the past, for rollback
 *	work.XXXXXX/	scratch files of a run
 *	lock		held while any of this changes
 */
#ifndef CM_STATE_H
#define CM_STATE_H

#include <stdbool.h>

#include "error.h"

#define CM_STATE_DIRECTORY "/var/lib/chatmail/config"

struct cm_state {
	char *root;      /* "" or a directory that stands for "/" */
	char *directory; /* root and CM_STATE_DIRECTORY */
	char *workdir;   /* private to this run */
	int lock;        /* -1: read only */
};

/* change: take the lock (waiting for another run to end), create the directories, and remove
   the remains of a killed run. Otherwise no file is changed, and the state may not exist. */
bool cm_state_open(struct cm_state *state, const char *root, bool change, struct cm_error *err);
void cm_state_close(struct cm_state *state);

/* directory/area/path, malloc'd; NULL with err filled. path may be NULL. */
char *cm_state_path(const struct cm_state *state, const char *area, const char *path,
		    struct cm_error *err);

/* The same for the managed file itself: root/path. */
char *cm_state_target(const struct cm_state *state, const char *path, struct cm_error *err);

/* Calls visit with each path in base/, as an absolute path. Returns false as soon as visit
   does, or with err filled. */
typedef bool cm_state_visit_fn(const char *path, void *context);
bool cm_state_each_base(const struct cm_state *state, cm_state_visit_fn *visit, void *context,
			struct cm_error *err);

/* The newest change in history/; 0 if the history is empty. */
unsigned int cm_state_newest(const struct cm_state *state);

/* rm -rf */
void cm_state_remove_tree(const char *path);

#endif
