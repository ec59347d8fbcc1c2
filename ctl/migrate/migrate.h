/*
 * migrate - shared by the migration from upstream's relay to this one and back
 *
 * /var/lib/chatmail/upstream/state.json records the changes; saved/ contains upstream's files
 * under their paths.
 */
#ifndef CM_MIGRATE_H
#define CM_MIGRATE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

#define CM_MIGRATE_DIRECTORY "/var/lib/chatmail/upstream"

struct cm_migration {
	const char *root; /* "" or a directory that replaces "/" */
	bool back, dry_run, yes, json;
	json_t *state;
	struct cm_error err;
};

/* Copies a file or a directory to saved/, unless it is there already. */
bool cm_migrate_save(struct cm_migration *job, const char *path);

/* Replaces the file or directory by the saved one, if there is one. */
bool cm_migrate_put_back(struct cm_migration *job, const char *path);

/* Replaces the file of this path below the root, and removes remains of a killed run beside
   it. */
bool cm_migrate_write(struct cm_migration *job, const char *path, const char *text, mode_t mode);

/* Copies upstream's chatmail.ini to our path. */
bool cm_migrate_ini(struct cm_migration *job);

/* Makes acmetool write challenges to nginx's new directory. */
bool cm_migrate_acme(struct cm_migration *job);

/* Moves aside the state of `chatmailctl config` for files that are upstream's again, and the
   chatmail.ini that migrate created: without it none of our services starts. */
bool cm_migrate_forget_ours(struct cm_migration *job);

/* Moves aside the record of the migration, when everything is restored. */
bool cm_migrate_end(struct cm_migration *job);

#endif
