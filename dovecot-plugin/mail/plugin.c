/*
 * plugin - Dovecot's mail plugin `chatmail`
 *
 * Loaded by imap, lmtp and doveadm processes. Its parts are in the files beside this one; code for
 * the imap program alone is in the plugin `imap_chatmail`.
 */
#include "lib.h"

#include "lib-event.h"

#include "mail-storage-hooks.h"
#include "mail-user.h"
#include "module-context.h"

#include "log_privacy.h"
#include "plugin.h"
#include "relay.h"

struct module;

/* Dovecot finds the module by these names. */
extern const char *chatmail_plugin_version;
extern const char *chatmail_plugin_dependencies[];
void chatmail_plugin_init(struct module *module);
void chatmail_plugin_deinit(void);

const char *chatmail_plugin_version = DOVECOT_ABI_VERSION;
const char *chatmail_plugin_dependencies[] = {"notify", NULL};

struct chatmail_user {
	union mail_user_module_context module_ctx;
	struct event *event;
};

static MODULE_CONTEXT_DEFINE_INIT(user_module, &mail_user_module_register);

#define CHATMAIL_USER(user) ((struct chatmail_user *)MODULE_CONTEXT_REQUIRE(user, user_module))

struct event *cm_user_event(struct mail_user *user)
{
	return CHATMAIL_USER(user)->event;
}

static void user_deinit(struct mail_user *user)
{
	struct chatmail_user *chatmail = CHATMAIL_USER(user);

	event_unref(&chatmail->event);
	chatmail->module_ctx.super.deinit(user);
}

static void add_context(struct mail_user *user)
{
	struct chatmail_user *chatmail = p_new(user->pool, struct chatmail_user, 1);
	struct mail_user_vfuncs *v = user->vlast;

	chatmail->event = event_create(user->event);
	event_set_append_log_prefix(chatmail->event, CM_LOG_PREFIX);
	chatmail->module_ctx.super = *v;
	user->vlast = &chatmail->module_ctx.super;
	v->deinit = user_deinit;
	MODULE_CONTEXT_SET(user, user_module, chatmail);
}

static void mail_user_created(struct mail_user *user)
{
	add_context(user);
	cm_log_privacy_start();
	if (!user->autocreated && strcmp(user->service, "lmtp") == 0)
		cm_overfull_trim(user);
}

static void mailbox_allocated(struct mailbox *box)
{
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
