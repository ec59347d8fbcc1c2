/*
 * restore_files - restore the files beside the mailboxes from an archive
 *
 * They are kept in memory until the whole archive was read. No existing file is replaced.
 */
#ifndef CM_RESTORE_FILES_H
#define CM_RESTORE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "archive_reader.h"
#include "config.h"
#include "error.h"

struct cm_restore_file {
	char *role;
	char *data;
	size_t length;
	mode_t mode;
	bool opendkim; /* owned by this user if it exists, otherwise by root */
	gid_t gid;
	char *path; /* with root; NULL before cm_restore_files_place() */
};

struct cm_restore_files {
	struct cm_restore_file *file;
	size_t count;
};

/* Reads the content of an entry relay/ROLE. False with err filled. */
bool cm_restore_files_add(struct cm_restore_files *files, struct cm_archive_reader *reader,
			  const struct cm_archive_entry *entry, struct cm_error *err);

/* The file of a role, or NULL. */
const struct cm_restore_file *cm_restore_files_find(const struct cm_restore_files *files,
						    const char *role);

/* Determines the path of each file, see relay_files.h. */
bool cm_restore_files_place(struct cm_restore_files *files, const struct cm_config *config,
			    const char *root, const char *const *allowed, struct cm_error *err);

/* True if no file exists, unless with the same content. */
bool cm_restore_files_check(const struct cm_restore_files *files, struct cm_error *err);

/* Writes chatmail.ini, or all others. */
bool cm_restore_files_write(const struct cm_restore_files *files, bool ini, struct cm_error *err);

/* Prints their paths. */
void cm_restore_files_print(const struct cm_restore_files *files);

/* Wipes and frees. */
void cm_restore_files_free(struct cm_restore_files *files);

#endif
