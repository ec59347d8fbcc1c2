/*
 * metadata - push tokens and the server's entries as IMAP METADATA (RFC 5464)
 *
 * The entries are Dovecot's "internal attributes", so no dict and no imap_metadata setting is
 * needed. This module owns all server entries: an unknown one is NIL, where stock Dovecot would
 * refuse the whole GETMETADATA. Dovecot refuses other entries of mailboxes with a NO.
 */
#include "lib.h"

#include "array.h"
#include "istream.h"
#include "mail-storage-private.h"
#include "mailbox-attribute-internal.h"
#include "mailbox-attribute.h"
#include "str.h"

#include "account.h"
#include "appversions.h"
#include "plugin.h"
#include "relay.h"
#include "tokens.h"
#include "turn.h"
#include "user_event.h"

#include <stdlib.h>
#include <time.h>

#define SERVER_PREFIX MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER
#define VENDOR_PREFIX "vendor/deltachat/"

/* --- Push tokens: /private/devicetoken of INBOX --- */

/* Returns the account's directory, malloc'd; NULL if the user has no account here. */
static char *mailbox_dir(const struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;

	if (config == NULL || !box->inbox_user ||
	    !cm_relay_address(config, box->storage->user->username, &address))
		return NULL;
	return cm_account_path(config, &address);
}

static const char *join_tokens(const struct cm_tokens *tokens)
{
	string_t *joined = t_str_new(256);

	for (size_t i = 0; i < tokens->count; i++) {
		if (i > 0)
			str_append_c(joined, ' ');
		str_append(joined, tokens->token[i]);
	}
	return str_c(joined);
}

static int get_tokens(struct mailbox *box, const char *key ATTR_UNUSED,
		      struct mail_attribute_value *value_r)
{
	char *directory = mailbox_dir(box);
	struct cm_tokens tokens;
	struct cm_error err;
	int result = 0;

	if (directory == NULL)
		return 0;
	if (!cm_tokens_get(directory, time(NULL), &tokens, &err)) {
		/* NIL to the client, whose next SETMETADATA repairs the file. */
		e_error(cm_user_event(box->storage->user), "push tokens: %s", err.text);
	} else if (tokens.count > 0) {
		value_r->value = join_tokens(&tokens);
		result = 1;
	}
	cm_tokens_free(&tokens);
	free(directory);
	return result;
}

static int refuse(struct mailbox_transaction_context *t, enum mail_error error, const char *text)
{
	mail_storage_set_error(t->box->storage, error, text);
	return -1;
}

/* Reads a value that the client sent as a string or a literal of any size. NULL: it is longer
   than max bytes; "": it is NIL, contains a NUL or cannot be read. */
static const char *read_value(const struct mail_attribute_value *value, size_t max)
{
	string_t *text = t_str_new(256);
	const unsigned char *data;
	size_t size;

	if (value->value != NULL)
		return strlen(value->value) <= max ? value->value : NULL;
	if (value->value_stream == NULL)
		return "";
	i_stream_seek(value->value_stream, 0);
	while (i_stream_read_more(value->value_stream, &data, &size) > 0) {
		if (str_len(text) + size > max)
			return NULL;
		if (memchr(data, '\0', size) != NULL)
			return "";
		str_append_data(text, data, size);
		i_stream_skip(value->value_stream, size);
	}
	return value->value_stream->stream_errno == 0 ? str_c(text) : "";
}

/* RFC 5464 4.3: the response code contains the maximum length. */
static const char *token_error(const char *token)
{
	return token != NULL ? "Not a device token"
			     : t_strdup_printf("[METADATA MAXSIZE %d] Too long for a device token",
					       CM_TOKEN_MAX);
}

static int set_token(struct mailbox_transaction_context *t, const char *key ATTR_UNUSED,
		     const struct mail_attribute_value *value)
{
	char *directory = mailbox_dir(t->box);
	struct cm_error err;
	const char *token;
	bool good;

	if (directory == NULL)
		return refuse(t, MAIL_ERROR_NOTPOSSIBLE, "Only INBOX has device tokens");
	token = read_value(value, CM_TOKEN_MAX);
	if (token == NULL || !cm_token_valid(token, strlen(token))) {
		free(directory);
		return refuse(t, MAIL_ERROR_PARAMS, token_error(token));
	}
	good = cm_tokens_set(directory, token, time(NULL), &err);
	free(directory);
	if (!good) {
		e_error(cm_user_event(t->box->storage->user), "push tokens: %s", err.text);
		return refuse(t, MAIL_ERROR_TEMP, "The device token cannot be stored now");
	}
	cm_relay_count(CM_STAT_TOKENS_SET, 1);
	return 0;
}

/* --- The server's entries: /shared/… of "" --- */

/* NULL: the entry is NIL. */
typedef const char *server_value_fn(const struct cm_config *config,
				    const struct mail_storage_settings *set);

static const char *comment_value(const struct cm_config *config,
				 const struct mail_storage_settings *set)
{
	return set->mail_server_comment[0] != '\0'
		   ? set->mail_server_comment
		   : t_strdup_printf("chatmail relay %s", config->mail_domain);
}

static const char *admin_value(const struct cm_config *config,
			       const struct mail_storage_settings *set)
{
	if (set->mail_server_admin[0] != '\0')
		return set->mail_server_admin;
	return config->privacy_mail[0] != '\0' ? t_strconcat("mailto:", config->privacy_mail, NULL)
					       : NULL;
}

static const char *irohrelay_value(const struct cm_config *config,
				   const struct mail_storage_settings *set ATTR_UNUSED)
{
	return config->iroh_relay[0] != '\0' ? config->iroh_relay : NULL;
}

static const char *maxsmtprecipients_value(const struct cm_config *config,
					   const struct mail_storage_settings *set ATTR_UNUSED)
{
	return t_strdup_printf("%u", config->max_recipients);
}

static const char *turn_value(const struct cm_config *config,
			      const struct mail_storage_settings *set ATTR_UNUSED)
{
	const char *value;
	struct cm_error err;

	if (cm_turn_credentials(config, time(NULL), &value, &err) == CM_TURN_TROUBLE)
		e_error(cm_relay_event(), "%s", err.text);
	return value;
}

static const char *appversions_value(const struct cm_config *config ATTR_UNUSED,
				     const struct mail_storage_settings *set ATTR_UNUSED)
{
	const char *value;
	struct cm_error err;
	char *text;

	if (!cm_appversions_read(&text, &err)) {
		e_error(cm_relay_event(), "%s", err.text);
		return NULL;
	}
	value = t_strdup(text);
	free(text);
	return value;
}

static const struct server_entry {
	const char *name;
	server_value_fn *value;
} server_entries[] = {
    {"admin", admin_value},
    {"comment", comment_value},
    {VENDOR_PREFIX "appversions", appversions_value},
    {VENDOR_PREFIX "irohrelay", irohrelay_value},
    {VENDOR_PREFIX "maxsmtprecipients", maxsmtprecipients_value},
    {VENDOR_PREFIX "turn", turn_value},
};

static int get_server_entry(struct mailbox *box, const char *key,
			    struct mail_attribute_value *value_r)
{
	const struct cm_config *config = cm_relay_config();
	const char *name = key + strlen(SERVER_PREFIX), *value = NULL;

	for (size_t i = 0; config != NULL && i < N_ELEMENTS(server_entries); i++)
		if (strcmp(name, server_entries[i].name) == 0)
			value = server_entries[i].value(config, box->storage->set);
	value_r->value = value;
	return value != NULL ? 1 : 0;
}

/* For DEPTH: the names below the prefix, without it. */
static int list_server_entries(struct mailbox *box ATTR_UNUSED, const char *prefix, pool_t pool,
			       ARRAY_TYPE(const_string) * keys)
{
	size_t length = strlen(prefix);

	for (size_t i = 0; i < N_ELEMENTS(server_entries); i++) {
		const char *name = server_entries[i].name;

		if (length > 0) {
			if (strncmp(name, prefix, length) != 0 || name[length] != '/')
				continue;
			name += length + 1;
		}
		name = p_strdup(pool, name);
		array_push_back(keys, &name);
	}
	return 0;
}

static int get_nothing(struct mailbox *box ATTR_UNUSED, const char *key ATTR_UNUSED,
		       struct mail_attribute_value *value_r ATTR_UNUSED)
{
	return 0;
}

static int list_nothing(struct mailbox *box ATTR_UNUSED, const char *prefix ATTR_UNUSED,
			pool_t pool ATTR_UNUSED, ARRAY_TYPE(const_string) * keys ATTR_UNUSED)
{
	return 0;
}

/* Without a set function an entry is read-only. */
static const struct mailbox_attribute_internal attributes[] = {
    {
	.type = MAIL_ATTRIBUTE_TYPE_PRIVATE,
	.key = "devicetoken",
	.rank = MAIL_ATTRIBUTE_INTERNAL_RANK_AUTHORITY,
	.flags = MAIL_ATTRIBUTE_INTERNAL_FLAG_VALIDATED,
	.get = get_tokens,
	.set = set_token,
    },
    {
	.type = MAIL_ATTRIBUTE_TYPE_PRIVATE,
	.key = SERVER_PREFIX,
	.rank = MAIL_ATTRIBUTE_INTERNAL_RANK_AUTHORITY,
	.flags = MAIL_ATTRIBUTE_INTERNAL_FLAG_VALIDATED | MAIL_ATTRIBUTE_INTERNAL_FLAG_CHILDREN,
	.get = get_nothing,
	.iter = list_nothing,
    },
    {
	.type = MAIL_ATTRIBUTE_TYPE_SHARED,
	.key = SERVER_PREFIX,
	.rank = MAIL_ATTRIBUTE_INTERNAL_RANK_AUTHORITY,
	.flags = MAIL_ATTRIBUTE_INTERNAL_FLAG_VALIDATED | MAIL_ATTRIBUTE_INTERNAL_FLAG_CHILDREN,
	.get = get_server_entry,
	.iter = list_server_entries,
    },
};

/* Dovecot's own two server entries, which clients may not read unless imap_metadata is on. */
static const struct mailbox_attribute_internal stock_attributes[] = {
    {.type = MAIL_ATTRIBUTE_TYPE_SHARED, .key = SERVER_PREFIX MAIL_SERVER_ATTRIBUTE_COMMENT},
    {.type = MAIL_ATTRIBUTE_TYPE_SHARED, .key = SERVER_PREFIX MAIL_SERVER_ATTRIBUTE_ADMIN},
};

void cm_metadata_init(void)
{
	mailbox_attribute_unregister_internals(stock_attributes, N_ELEMENTS(stock_attributes));
	mailbox_attribute_register_internals(attributes, N_ELEMENTS(attributes));
}

void cm_metadata_deinit(void)
{
	mailbox_attribute_unregister_internals(attributes, N_ELEMENTS(attributes));
}
