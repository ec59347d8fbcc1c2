/*
 * moved - change nothing in a mailbox of a backend that a move to another backend blocks
 *
 * The login or the delivery may have begun before the move did. Each change takes a shared lock on
 * the mailbox directory and looks for the block. `chatmailctl user move` sets the block and then
 * takes the exclusive lock once, so it copies every change that succeeds.
 *
 * A delivery for an account that the operator blocked fails here, too: LMTP accepts its address, so
 * that fronts know that the account exists.
 */
#include "lib.h"

#include "mail-storage-private.h"

#include "account.h"
#include "backends.h"
#include "directory.h"
#include "file.h"
#include "plugin.h"
#include "relay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct moved_mailbox {
	union mailbox_module_context module_ctx;
};

static MODULE_CONTEXT_DEFINE_INIT(moved_module, &mail_storage_module_register);

#define MOVED_MAILBOX(box) ((struct moved_mailbox *)MODULE_CONTEXT_REQUIRE(box, moved_module))

/* A descriptor that holds the lock; -1 if the mailbox must not change. */
static int lock(struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;
	char *path;
	int fd;

	if (config == NULL || !cm_relay_address(config, box->storage->user->username, &address))
		return -1;
	path = cm_account_path(config, &address);
	fd = path != NULL ? cm_directory_open(AT_FDCWD, path) : -1;
	free(path);
	if (fd >= 0 && (!cm_file_lock(fd, LOCK_SH) || cm_backends_blocked(config, &address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool is_blocked(const struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;

	return config != NULL && cm_relay_address(config, box->storage->user->username, &address) &&
	       cm_account_lookup(config, &address, NULL) == CM_ACCOUNT_BLOCKED;
}

static int refuse(struct mailbox_transaction_context *t, enum mail_error error, const char *text)
{
	struct mailbox *box = t->box;

	MOVED_MAILBOX(box)->module_ctx.super.transaction_rollback(t);
	mail_storage_set_error(box->storage, error, text);
	return -1;
}

static int transaction_commit(struct mailbox_transaction_context *t,
			      struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	struct mailbox_vfuncs *super = &MOVED_MAILBOX(box)->module_ctx.super;
	int fd = lock(box), result;

	if (fd < 0)
		return refuse(t, MAIL_ERROR_TEMP, "The account is being moved");
	/* With this error LMTP refuses the message for good. */
	if ((box->flags & MAILBOX_FLAG_POST_SESSION) != 0 && is_blocked(box)) {
		close(fd);
		return refuse(t, MAIL_ERROR_NOQUOTA, "The account accepts no mail");
	}
	result = super->transaction_commit(t, changes_r);
	close(fd);
	return result;
}

void cm_moved_mailbox_allocated(struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	const struct mail_user *user = box->storage->user;
	struct mailbox_vfuncs *v = box->vlast;
	struct moved_mailbox *moved;

	/* dsync moves the account. */
	if (config == NULL || config->backend_listen[0] == '\0' || user->autocreated ||
	    strcmp(user->service, "doveadm") == 0)
		return;
	moved = p_new(box->pool, struct moved_mailbox, 1);
	moved->module_ctx.super = *v;
	box->vlast = &moved->module_ctx.super;
	v->transaction_commit = transaction_commit;
	MODULE_CONTEXT_SET(box, moved_module, moved);
}
