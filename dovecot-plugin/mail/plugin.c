/*
 * Loaded by imap, lmtp and doveadm processes. Its parts are in the files beside this one; code for
 * the imap program alone is in the plugin `imap_chatmail`.
 */
#include "lib.h"

#include "mail-storage-hooks.h"
#include "mail-user.h"

#include "log_privacy.h"
#include "plugin.h"
#include "relay.h"
#include "user_event.h"

struct module;

/* Dovecot finds the module by these names. */
extern const char *chatmail_plugin_version;
extern const char *chatmail_plugin_dependencies[];
void chatmail_plugin_init(struct module *module);
void chatmail_plugin_deinit(void);

const char *chatmail_plugin_version = DOVECOT_ABI_VERSION;
const char *chatmail_plugin_dependencies[] = {"notify", NULL};

static void mail_user_created(struct mail_user *user)
{
	cm_user_event_create(user);
	cm_log_privacy_start();
	if (!user->autocreated && strcmp(user->service, "lmtp") == 0)
		cm_overfull_trim(user);
}

static void mailbox_allocated(struct mailbox *box)
{
	/* Its refusals of deliveries are not those of the disk's quota. */
	cm_moved_mailbox_allocated(box);
	cm_disk_quota_mailbox_allocated(box);
	cm_folders_mailbox_allocated(box);
}

static const struct mail_storage_hooks hooks = {
    .mail_user_created = mail_user_created,
    .mailbox_allocated = mailbox_allocated,
};

void chatmail_plugin_init(struct module *module)
{
	cm_log_privacy_start();
	mail_storage_hooks_add(module, &hooks);
	cm_metadata_init();
	cm_push_init();
}

void chatmail_plugin_deinit(void)
{
	cm_push_deinit();
	cm_metadata_deinit();
	mail_storage_hooks_remove(&hooks);
	cm_log_privacy_stop();
	cm_relay_deinit();
}
