/*
 * remove - whole directory trees: counted, deleted, and accounts out of sight first
 *
 * An account is not deleted where it stands: it is renamed into CM_ACCOUNT_TRASH_DIR and deleted
 * there, so nobody ever sees half an account. The lock of cm_account_seen() is held from a last
 * look at the account until its password is gone, so a login either keeps it or finds it absent.
 * What a killed run left there is settled by the next one.
 */
#ifndef EXPIRE_REMOVE_H
#define EXPIRE_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "rules.h"
#include "tree_remove.h"

/* Deletes a tree that holds nothing but directories and forgotten temporary files, all untouched
   for EXPIRE_REST_SECONDS; touches none that holds something else. True if the whole tree is gone,
   or would be in a dry run. */
bool expire_tree_remove_empty(int parent_fd, const char *name, const struct expire_rules *rules,
			      bool dry_run);

enum expire_removal {
	EXPIRE_REMOVED,
	EXPIRE_SEEN_AGAIN, /* used at the last moment: everything is as it was */
	EXPIRE_FAILED,     /* err is filled; what remains is in the trash, or where it was */
};

/* Opens the trash directory, making it if needed. -1 with err filled. */
int expire_trash_open(int mailboxes_fd, struct cm_error *err);

/* Deletes one account. */
enum expire_removal expire_account_remove(int mailboxes_fd, int trash_fd, const char *name,
					  const struct expire_rules *rules, struct cm_tree *tree,
					  struct cm_error *err);

/* Settles what a killed run left in the trash: what was seen again goes back, the rest goes. */
bool expire_trash_settle(int mailboxes_fd, int trash_fd, const struct expire_rules *rules,
			 struct cm_tree *tree, struct cm_error *err);

#endif
