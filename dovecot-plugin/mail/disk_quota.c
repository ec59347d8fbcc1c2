/*
 * disk_quota - treat an exhausted disk quota as a temporary failure
 *
 * Dovecot mistakes the file system's EDQUOT for the mailbox's quota, and LMTP then makes the MTA
 * bounce the message. But the file system's quota (of a volume, or of user vmail) covers all
 * mailboxes, and space is freed every day. Dovecot's own quota plugin wraps this one: its
 * refusals are made before this code runs.
 */
#include "lib.h"

#include "mail-storage-private.h"

#include "plugin.h"
#include "user_event.h"

struct disk_quota_mailbox {
	union mailbox_module_context module_ctx;
};

static MODULE_CONTEXT_DEFINE_INIT(disk_quota_module, &mail_storage_module_register);

#define DISK_QUOTA_MAILBOX(box)                                                                    \
	((struct disk_quota_mailbox *)MODULE_CONTEXT_REQUIRE(box, disk_quota_module))

static int as_trouble(struct mailbox *box, int result)
{
	enum mail_error error;

	if (result >= 0)
		return result;
	(void)mailbox_get_last_error(box, &error);
	if (error == MAIL_ERROR_NOQUOTA) {
		e_error(cm_user_event(box->storage->user),
			"delivery: the file system's quota is exhausted");
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP, MAIL_ERRSTR_NO_QUOTA);
	}
	return result;
}

static int save_begin(struct mail_save_context *ctx, struct istream *input)
{
	struct mailbox *box = ctx->transaction->box;

	return as_trouble(box, DISK_QUOTA_MAILBOX(box)->module_ctx.super.save_begin(ctx, input));
}

static int save_continue(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;

	return as_trouble(box, DISK_QUOTA_MAILBOX(box)->module_ctx.super.save_continue(ctx));
}

/* The context may be gone when it returns. */
static int save_finish(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;

	return as_trouble(box, DISK_QUOTA_MAILBOX(box)->module_ctx.super.save_finish(ctx));
}

static int transaction_commit(struct mailbox_transaction_context *t,
			      struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;

	return as_trouble(
	    box, DISK_QUOTA_MAILBOX(box)->module_ctx.super.transaction_commit(t, changes_r));
}

void cm_disk_quota_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct disk_quota_mailbox *quota;

	if ((box->flags & MAILBOX_FLAG_POST_SESSION) == 0)
		return;
	quota = p_new(box->pool, struct disk_quota_mailbox, 1);
	quota->module_ctx.super = *v;
	box->vlast = &quota->module_ctx.super;
	v->save_begin = save_begin;
	v->save_continue = save_continue;
	v->save_finish = save_finish;
	v->transaction_commit = transaction_commit;
	MODULE_CONTEXT_SET(box, disk_quota_module, quota);
}
