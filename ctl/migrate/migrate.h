/*
 * migrate - shared by the moves from upstream's relay to this one and back
 *
 * /var/lib/chatmail/upstream/state.json says what was done, saved/ has upstream's files under their
 * paths.
 */
#ifndef CM_MIGRATE_H
#define CM_MIGRATE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

#define CM_MIGRATE_PROGRAM   "chatmailctl migrate"
#define CM_MIGRATE_DIRECTORY "/var/lib/chatmail/upstream"

struct cm_migration {
	const char *root; /* "" or a directory that stands for "/" */
	bool back, dry_run, yes, json;
	json_t *state;
	struct cm_error err;
};

/* Copies a file or a directory into saved/, unless it is there already. */
bool cm_migrate_save(struct cm_migration *job, const char *path);

/* Replaces it by the saved one. */
bool cm_migrate_put_back(struct cm_migration *job, const char *path);

/* Replaces the file of this path below the root, and removes what a killed run left beside it. */
bool cm_migrate_write(struct cm_migration *job, const char *path, const char *text, mode_t mode);

/* Copies upstream's chatmail.ini to ours. */
bool cm_migrate_ini(struct cm_migration *job);

/* Lets acmetool put challenges where nginx looks for them now. */
bool cm_migrate_acme(struct cm_migration *job);

/* Puts aside what `chatmailctl config` remembers of files that are upstream's again, and the
   chatmail.ini that migrate made: then none of our services starts. */
bool cm_migrate_forget_ours(struct cm_migration *job);

/* Puts aside what migrate wrote down, when everything is back. */
bool cm_migrate_end(struct cm_migration *job);

#endif
