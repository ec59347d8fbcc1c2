#include "config_keys.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#define FIELD(name) offsetof(struct cm_config, name)

const struct cm_config_row cm_config_rows[] = {
    {"mail_domain", CM_CONFIG_DOMAIN, FIELD(mail_domain), NULL, 0, 0},
    {"max_user_send_per_minute", CM_CONFIG_NUMBER, FIELD(max_user_send_per_minute), "60", 1,
     1000000},
    {"max_user_send_burst_size", CM_CONFIG_NUMBER, FIELD(max_user_send_burst_size), "10", 1,
     1000000},
    {"max_mailbox_size", CM_CONFIG_SIZE, FIELD(max_mailbox_size), "500M", 1, 0},
    {"max_mailbox_messages", CM_CONFIG_NUMBER, FIELD(max_mailbox_messages), "100000", 0,
     1000000000},
    {"max_mailbox_folders", CM_CONFIG_NUMBER, FIELD(max_mailbox_folders), "200", 0, 1000000},
    {"max_message_size", CM_CONFIG_BYTES, FIELD(max_message_size), "31457280", 1, 0},
    {"delete_mails_after", CM_CONFIG_DAYS, FIELD(delete_mails_after), "20", 1, 36500},
    {"delete_large_after", CM_CONFIG_DAYS, FIELD(delete_large_after), "7", 1, 36500},
    {"delete_inactive_users_after", CM_CONFIG_DAYS, FIELD(delete_inactive_users_after), "90", 1,
     36500},
    {"username_min_length", CM_CONFIG_NUMBER, FIELD(username_min_length), "9", 1,
     CM_ADDRESS_LOCAL_MAX},
    {"username_max_length", CM_CONFIG_NUMBER, FIELD(username_max_length), "9", 1,
     CM_ADDRESS_LOCAL_MAX},
    {"password_min_length", CM_CONFIG_NUMBER, FIELD(password_min_length), "9", 1, 1000},
    {"max_load_1m", CM_CONFIG_REAL, FIELD(max_load_1m), "5", 0, 0},
    {"min_available_memory", CM_CONFIG_SIZE, FIELD(min_available_memory), "200M", 0, 0},
    {"min_free_disk_space", CM_CONFIG_SIZE, FIELD(min_free_disk_space), "1G", 0, 0},
    {"max_imap_connections", CM_CONFIG_NUMBER, FIELD(max_imap_connections), "10000", 1, 1000000},
    {"max_smtp_connections", CM_CONFIG_NUMBER, FIELD(max_smtp_connections), "1000", 5, 1000000},
    {"tls_external_cert_and_key", CM_CONFIG_TLS, 0, "", 0, 0},
    {"www_folder", CM_CONFIG_TEXT, FIELD(www_folder), "", 0, 0},
    {"disable_ipv6", CM_CONFIG_FLAG, FIELD(disable_ipv6), "false", 0, 0},
    {"acme_email", CM_CONFIG_TEXT, FIELD(acme_email), "", 0, 0},
    {"iroh_relay", CM_CONFIG_IROH, FIELD(iroh_relay), NULL, 0, 0},
    {"mtail_address", CM_CONFIG_HOST, FIELD(mtail_address), "", 0, 0},
    {"imap_rawlog", CM_CONFIG_FLAG, FIELD(imap_rawlog), "false", 0, 0},
    {"imap_compress", CM_CONFIG_FLAG, FIELD(imap_compress), "false", 0, 0},
    {"turn_socket_path", CM_CONFIG_PATH, FIELD(turn_socket_path), "/run/chatmail-turn/turn.socket",
     0, 0},
    {"privacy_postal", CM_CONFIG_TEXT, FIELD(privacy_postal), "", 0, 0},
    {"privacy_mail", CM_CONFIG_TEXT, FIELD(privacy_mail), "", 0, 0},
    {"privacy_pdo", CM_CONFIG_TEXT, FIELD(privacy_pdo), "", 0, 0},
    {"privacy_supervisor", CM_CONFIG_TEXT, FIELD(privacy_supervisor), "", 0, 0},
    {"mailboxes_dir", CM_CONFIG_MAILS, FIELD(mailboxes_dir), NULL, 0, 0},
    /* not upstream's */
    {"registration", CM_CONFIG_MODE, FIELD(registration), "open", 0, 0},
    {"automatic_accounts", CM_CONFIG_FLAG, FIELD(automatic_accounts), "true", 0, 0},
    {"max_new_accounts_per_ip_per_hour", CM_CONFIG_NUMBER, FIELD(max_new_accounts_per_ip_per_hour),
     "60", 0, 1000000},
    {"max_new_accounts_per_minute", CM_CONFIG_NUMBER, FIELD(max_new_accounts_per_minute), "600", 0,
     1000000},
    {"maxsmtprecipients", CM_CONFIG_NUMBER, FIELD(max_recipients), "1000", 1, 100000},
    {"notify_url", CM_CONFIG_URL, FIELD(notify_url), "https://notifications.delta.chat/notify", 0,
     0},
    {"turn_secret_file", CM_CONFIG_PATH, FIELD(turn_secret_file), "", 0, 0},
    {"turn_host", CM_CONFIG_HOST, FIELD(turn_host), NULL, 0, 0},
    {"metrics_listen", CM_CONFIG_LISTEN, FIELD(metrics_listen), "", 0, 0},
    {"mxdeliv_listen", CM_CONFIG_WEB, FIELD(mxdeliv_listen), "unix:/run/chatmail-web/mxdeliv.sock",
     0, 0},
    {"mxdeliv_port", CM_CONFIG_NUMBER, FIELD(mxdeliv_port), "10025", 1, 65535},
    {"web_listen", CM_CONFIG_WEB, FIELD(web_listen), "unix:/run/chatmail-web/http.sock", 0, 0},
    {"dclogin_parameters", CM_CONFIG_QUERY, FIELD(dclogin_parameters), "", 0, 0},
    {"front_listen", CM_CONFIG_ADDRESS, FIELD(front_listen), "", 0, 0},
    {"front_network", CM_CONFIG_NETWORK, FIELD(front_network), "", 0, 0},
    {"instant_idle", CM_CONFIG_FLAG, FIELD(instant_idle), "true", 0, 0},
    {"log_addresses", CM_CONFIG_FLAG, FIELD(log_addresses), "false", 0, 0},
    {"blocked_senders_file", CM_CONFIG_PATH, FIELD(blocked_senders_file), "", 0, 0},
    {"resolver", CM_CONFIG_RESOLVER, FIELD(resolver), "", 0, 0},
    {"outbound", CM_CONFIG_OUTBOUND, FIELD(outbound), "auto", 0, 0},
    {"outbound_private", CM_CONFIG_FLAG, FIELD(outbound_private), "false", 0, 0},
    {"federation", CM_CONFIG_PEERS, FIELD(federation), "open", 0, 0},
    {"federation_allow_file", CM_CONFIG_PATH, FIELD(federation_allow_file), "", 0, 0},
    {"federation_deny_file", CM_CONFIG_PATH, FIELD(federation_deny_file), "", 0, 0},
    {"mail_compress", CM_CONFIG_COMPRESS, FIELD(mail_compress), "zstd", 0, 0},
    {"dkim_signing", CM_CONFIG_SIGNING, FIELD(dkim_signing), "milter", 0, 0},
    {"dkim_selector", CM_CONFIG_WORD, FIELD(dkim_selector), "opendkim", 0, 0},
    {"dkim_keys_dir", CM_CONFIG_PATH, FIELD(dkim_keys_dir), "/etc/dkimkeys", 0, 0},
    {"backends", CM_CONFIG_BACKENDS, FIELD(backends), "", 0, 0},
    {"backends_search", CM_CONFIG_FLAG, FIELD(backends_search), "true", 0, 0},
    {"backend_listen", CM_CONFIG_ADDRESS, FIELD(backend_listen), "", 0, 0},
    {"fronts", CM_CONFIG_FRONTS, FIELD(fronts), "", 0, 0},
    {"backend_secret_file", CM_CONFIG_PATH, FIELD(backend_secret_file), "", 0, 0},
    {"run_dir", CM_CONFIG_PATH, FIELD(run_dir), CM_RUN_DIR, 0, 0},
    {NULL, CM_CONFIG_TEXT, 0, NULL, 0, 0},
};

#define ROWS (sizeof(cm_config_rows) / sizeof(cm_config_rows[0]))

static_assert(ROWS <= CM_CONFIG_KEYS_MAX + 1, "no more keys than the reader has room for");

/* The values of kinds with a choice of words, in the order of their enum. */
static const struct cm_config_choice choices[] = {
    {CM_CONFIG_MODE, {"open", "invite", "closed"}, "open, invite or closed"},
    {CM_CONFIG_OUTBOUND, {"auto", "smtp", "https"}, "auto, smtp or https"},
    {CM_CONFIG_PEERS, {"open", "listed"}, "open or listed"},
    {CM_CONFIG_COMPRESS, {"zstd", "gz", "off"}, "zstd, gz or off"},
    {CM_CONFIG_SIGNING, {"milter", "opendkim"}, "milter or opendkim"},
};

int cm_config_index(const char *name)
{
	for (size_t i = 0; cm_config_rows[i].name != NULL; i++)
		if (strcmp(cm_config_rows[i].name, name) == 0)
			return (int)i;
	return -1;
}

const struct cm_config_choice *cm_config_choice(enum cm_config_kind kind)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (choices[i].kind == kind)
			return &choices[i];
	}
	return NULL;
}

void *cm_config_field(struct cm_config *config, const struct cm_config_row *row)
{
	return (char *)config + row->offset;
}

bool cm_config_print(char **text, const char *format, ...)
{
	char *made = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&made, format, arguments);
	va_end(arguments);
	if (length < 0)
		return false;
	free(*text);
	*text = made;
	return true;
}

const struct cm_config_key *cm_config_keys(void)
{
	static struct cm_config_key list[ROWS];

	for (size_t i = 0; i < ROWS - 1; i++)
		list[i] =
		    (struct cm_config_key){cm_config_rows[i].name, cm_config_rows[i].default_text};
	return list;
}

static char *size_text(uint64_t value)
{
	char *text = NULL;

	if (value != 0 && value % (UINT64_C(1) << 30) == 0)
		return cm_config_print(&text, "%lluG", (unsigned long long)(value >> 30)) ? text
											  : NULL;
	return cm_config_print(&text, "%lluM", (unsigned long long)(value >> 20)) ? text : NULL;
}

char *cm_config_get(const struct cm_config *config, const char *name)
{
	int index = cm_config_index(name);
	const struct cm_config_choice *choice;
	const void *value;
	char *text = NULL;
	bool good = true;

	if (index < 0)
		return NULL;
	value = (const char *)config + cm_config_rows[index].offset;
	choice = cm_config_choice(cm_config_rows[index].kind);
	if (choice != NULL)
		return strdup(choice->names[*(const unsigned int *)value]);
	switch (cm_config_rows[index].kind) {
	case CM_CONFIG_NUMBER:
	case CM_CONFIG_DAYS:
		good = cm_config_print(&text, "%u", *(const unsigned int *)value);
		break;
	case CM_CONFIG_BYTES:
		good = cm_config_print(&text, "%llu", (unsigned long long)*(const uint64_t *)value);
		break;
	case CM_CONFIG_SIZE:
		return size_text(*(const uint64_t *)value);
	case CM_CONFIG_REAL:
		good = cm_config_print(&text, "%g", *(const double *)value);
		break;
	case CM_CONFIG_FLAG:
		good = cm_config_print(&text, "%s", *(const bool *)value ? "true" : "false");
		break;
	case CM_CONFIG_TLS:
		good = cm_config_print(&text, "%s %s", config->tls_certificate, config->tls_key);
		break;
	default:
		good = cm_config_print(&text, "%s", *(char *const *)value);
	}
	return good ? text : NULL;
}
