/*
 * remove - delete directory trees and accounts, accounts by way of the trash
 *
 * An account is moved to CM_ACCOUNT_TRASH_DIR and deleted there, so half an account is never
 * visible. The lock of cm_account_seen() is held from the last check of the account until its
 * password is gone, so a login either keeps it or finds it absent. The next run deletes the
 * remains of a killed run from the trash.
 */
#ifndef EXPIRE_REMOVE_H
#define EXPIRE_REMOVE_H

#include <stdbool.h>

#include "error.h"
#include "rules.h"
#include "tree_remove.h"

/* Deletes a tree that contains only directories, temporary files, Dovecot's own files and the flag
   of a new account, all unchanged for EXPIRE_REST_SECONDS; leaves other trees alone, also that of
   an account that is created now (see cm_account_create()). True if the whole tree is gone, or
   would be in a dry run. */
bool expire_tree_remove_empty(int parent_fd, const char *name, const struct expire_rules *rules,
			      bool dry_run);

enum expire_removal {
	EXPIRE_REMOVED,
	EXPIRE_SEEN_AGAIN, /* used or blocked at the last moment: nothing changed */
	EXPIRE_FAILED,     /* err is filled; the rest is in the trash, or in its old place */
};

/* Opens the trash directory; creates it if needed. -1 with err filled. */
int expire_trash_open(int mailboxes_fd, struct cm_error *err);

/* True if the operator blocked this account. It must stay: otherwise its name would be free again.
   fd: its directory. */
bool expire_account_is_blocked(int fd);

/* Deletes one account. */
enum expire_removal expire_account_remove(int mailboxes_fd, int trash_fd, const char *name,
					  const struct expire_rules *rules, struct cm_tree *tree,
					  struct cm_error *err);

/* Cleans up after a killed run: restores accounts that were used again, deletes the rest. */
bool expire_trash_settle(int mailboxes_fd, int trash_fd, const struct expire_rules *rules,
			 struct cm_tree *tree, struct cm_error *err);

#endif
