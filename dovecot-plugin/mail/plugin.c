/*
 * plugin - Dovecot's mail plugin `chatmail`
 *
 * Loaded by imap, lmtp and doveadm processes. Remembers here when an account was last used; its
 * other parts are in the files beside this one.
 */
#include "lib.h"

#include "mail-storage-hooks.h"
#include "mail-user.h"

#include "account.h"
#include "plugin.h"
#include "relay.h"

#include <time.h>

struct module;

/* Found by Dovecot by these names. */
extern const char *chatmail_plugin_version;
extern const char *chatmail_plugin_dependencies[];
void chatmail_plugin_init(struct module *module);
void chatmail_plugin_deinit(void);

const char *chatmail_plugin_version = DOVECOT_ABI_VERSION;
const char *chatmail_plugin_dependencies[] = {"notify", NULL};

/* A login over IMAP; not a return from hibernation, not doveadm, not a delivery. SMTP's logins are
   seen by the passdb. */
static void remember_login(const char *username)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;
	struct cm_error err;

	if (config == NULL || !cm_relay_address(config, username, &address))
		return;
	if (cm_account_seen(config, &address, time(NULL), &err) == CM_ACCOUNT_TROUBLE)
		i_error("chatmail: last seen: %s", err.text);
}

static void mail_user_created(struct mail_user *user)
{
	if (user->autocreated)
		return;
	if (strcmp(user->service, "imap") == 0 && !user->session_restored)
		remember_login(user->username);
	else if (strcmp(user->service, "lmtp") == 0)
		cm_room_make(user->username);
}

static void mailbox_allocated(struct mailbox *box)
{
	cm_delivery_mailbox_allocated(box);
	cm_idle_mailbox_allocated(box);
}

static const struct mail_storage_hooks hooks = {
    .mail_user_created = mail_user_created,
    .mailbox_allocated = mailbox_allocated,
};

void chatmail_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &hooks);
	cm_metadata_init();
	cm_metadata_limit_init();
	cm_push_init();
}

void chatmail_plugin_deinit(void)
{
	cm_push_deinit();
	cm_metadata_limit_deinit();
	cm_metadata_deinit();
	mail_storage_hooks_remove(&hooks);
	cm_relay_deinit();
}
