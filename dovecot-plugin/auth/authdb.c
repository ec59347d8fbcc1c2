/*
 * authdb - Dovecot's passdb and userdb driver `chatmail`, and the passdb driver `chatmail-last`
 *
 * The auth process loads this module when its configuration names the driver, and so does each of
 * its workers. All work is done in the workers (both interfaces of `chatmail` are blocking).
 */
#include "auth-common.h"

#include "passdb.h"
#include "userdb.h"

#include "authdb.h"
#include "log_privacy.h"
#include "relay.h"

struct module;

/* Dovecot finds the module by these names. */
extern const char *authdb_chatmail_version;
void authdb_chatmail_init(struct module *module);
void authdb_chatmail_deinit(void);

const char *authdb_chatmail_version = DOVECOT_ABI_VERSION;

void authdb_chatmail_init(struct module *module ATTR_UNUSED)
{
	cm_log_privacy_start();
	passdb_register_module(&cm_passdb);
	passdb_register_module(&cm_passdb_last);
	userdb_register_module(&cm_userdb);
}

void authdb_chatmail_deinit(void)
{
	passdb_unregister_module(&cm_passdb_last);
	passdb_unregister_module(&cm_passdb);
	userdb_unregister_module(&cm_userdb);
	cm_log_privacy_stop();
	cm_relay_deinit();
}
