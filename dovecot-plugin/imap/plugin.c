/*
 * Contains the code that needs functions of the imap program, so only that program loads it.
 * Announces the relay's capabilities: METADATA, which Dovecot itself announces only with a dict,
 * and the two by which Delta Chat recognizes a chatmail relay that sends push notifications.
 */
#include "imap-common.h"

#include "mail-storage-hooks.h"

#include "imap/plugin.h"

struct module;

/* Dovecot finds the module by these names. */
extern const char *imap_chatmail_plugin_version;
extern const char *imap_chatmail_plugin_dependencies[];
extern const char imap_chatmail_plugin_binary_dependency[];
void imap_chatmail_plugin_init(struct module *module);
void imap_chatmail_plugin_deinit(void);

const char *imap_chatmail_plugin_version = DOVECOT_ABI_VERSION;
const char *imap_chatmail_plugin_dependencies[] = {"chatmail", NULL};
const char imap_chatmail_plugin_binary_dependency[] = "imap";

static imap_client_created_func_t *next_client_created;

static void client_created(struct client **client)
{
	client_add_capability(*client, "METADATA");
	client_add_capability(*client, "XDELTAPUSH");
	client_add_capability(*client, "XCHATMAIL");
	if (next_client_created != NULL)
		next_client_created(client);
}

static const struct mail_storage_hooks hooks = {
    .mailbox_allocated = cm_idle_mailbox_allocated,
};

void imap_chatmail_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &hooks);
	next_client_created = imap_client_created_hook_set(client_created);
	cm_metadata_limit_init();
}

void imap_chatmail_plugin_deinit(void)
{
	cm_metadata_limit_deinit();
	imap_client_created_hook_set(next_client_created);
	mail_storage_hooks_remove(&hooks);
}
