/*
 * push - one queue entry per token for each message that LMTP delivered
 *
 * The entries are written after the message is stored and before LMTP replies to the MTA: a message
 * that is not stored is not announced, and one that is announced can be fetched. A failure to write
 * an entry is logged and otherwise ignored: the delivery is more important than its announcement.
 */
#include "lib.h"

#include "mail-storage-private.h"
#include "message-address.h"
#include "notify-plugin.h"

#include "account.h"
#include "compat/compat.h"
#include "plugin.h"
#include "push_queue.h"
#include "relay.h"
#include "tokens.h"
#include "user_event.h"

#include <stdlib.h>
#include <time.h>

struct push_transaction {
	struct mail_user *user; /* the recipient; NULL: not a delivery */
	bool wanted;            /* a message from another sender was saved */
};

static struct notify_context *notify;

static void *transaction_begin(struct mailbox_transaction_context *t)
{
	struct push_transaction *push = i_new(struct push_transaction, 1);

	if ((t->box->flags & MAILBOX_FLAG_POST_SESSION) != 0)
		push->user = t->box->storage->user;
	return push;
}

/* Like upstream, by the From header: the policy ensures that it equals the envelope sender. */
static bool is_sender(struct mail *mail, const char *username)
{
	const struct message_address *from;
	const char *value;

	if (mail_get_first_header(mail, "From", &value) <= 0)
		return FALSE;
	from = message_address_parse(pool_datastack_create(), (const unsigned char *)value,
				     strlen(value), 1, 0);
	return from != NULL && from->mailbox != NULL && from->domain != NULL &&
	       strcasecmp(t_strconcat(from->mailbox, "@", from->domain, NULL), username) == 0;
}

static void mail_save(void *transaction, struct mail *mail)
{
	struct push_transaction *push = transaction;

	if (push->user == NULL || push->wanted)
		return;
	T_BEGIN
	{
		push->wanted = !is_sender(mail, push->user->username);
	}
	T_END;
}

static void mail_copy(void *transaction, struct mail *source ATTR_UNUSED, struct mail *copy)
{
	mail_save(transaction, copy);
}

static void queue_tokens(const struct cm_config *config, struct event *event,
			 const struct cm_address *address, const struct cm_tokens *tokens,
			 time_t now)
{
	struct cm_error err;

	for (size_t i = 0; i < tokens->count; i++) {
		if (!cm_push_queue_add(config, address, tokens->token[i], now, &err)) {
			e_error(event, "push: %s", err.text);
			return;
		}
		cm_relay_count(CM_STAT_PUSH_QUEUED, 1);
	}
}

static void queue_for(struct mail_user *user)
{
	const struct cm_config *config = cm_relay_config();
	time_t now = time(NULL);
	struct cm_address address;
	struct cm_tokens tokens;
	struct cm_error err;
	char *directory;

	if (config == NULL || !cm_relay_address(config, user->username, &address))
		return;
	directory = cm_account_path(config, &address);
	if (directory == NULL)
		return;
	if (cm_tokens_get(directory, now, &tokens, &err))
		queue_tokens(config, cm_user_event(user), &address, &tokens, now);
	else
		e_error(cm_user_event(user), "push: %s", err.text);
	cm_tokens_free(&tokens);
	free(directory);
}

static void transaction_commit(void *transaction,
			       struct mail_transaction_commit_changes *changes ATTR_UNUSED)
{
	struct push_transaction *push = transaction;

	if (push->wanted)
		queue_for(push->user);
	i_free(push);
}

static void transaction_rollback(void *transaction)
{
	i_free(transaction);
}

static const struct notify_vfuncs vfuncs = {
    .mail_transaction_begin = transaction_begin,
    .mail_save = mail_save,
    .mail_copy = mail_copy,
    .mail_transaction_commit = transaction_commit,
    .mail_transaction_rollback = transaction_rollback,
};

void cm_push_init(void)
{
	notify = notify_register(&vfuncs);
}

void cm_push_deinit(void)
{
	CM_NOTIFY_UNREGISTER(&notify);
}
