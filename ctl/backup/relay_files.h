/*
 * relay_files - the files of a relay that a backup contains beside the mailboxes
 *
 * Each file has a role, its name in the archive after "relay/":
 *
 *	chatmail.ini, chatmail-nocreate
 *	dkim/NAME		a file of dkim_keys_dir
 *	tls/certificate, tls/key
 *	key/KEY			the file that a key of chatmail.ini names: turn_secret_file,
 *				blocked_senders_file and others that end in _file
 *	local/PATH		the operator's additions to a server's configuration (FILE.local)
 *
 * The archive contains only the role. The configuration determines the path, so an archive cannot
 * choose a path.
 */
#ifndef CM_RELAY_FILES_H
#define CM_RELAY_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"

/* Longest file of a role: those that keys name include long lists of peers. */
size_t cm_relay_file_max(const char *role);

#define CM_RELAY_INI "chatmail.ini"

typedef bool cm_relay_file_fn(const char *role, const char *path, void *context);

/* Calls visit for each file that exists. Returns false as soon as visit does, or with err
   filled. */
bool cm_relay_files_each(const struct cm_config *config, cm_relay_file_fn *visit, void *context,
			 struct cm_error *err);

/* The path of the file of a role, malloc'd; NULL with err filled for an unknown role, and for
   a path outside the directories where such files usually are, including the allowed ones
   (NULL-terminated). */
char *cm_relay_file_path(const struct cm_config *config, const char *role,
			 const char *const *allowed, struct cm_error *err);

#endif
