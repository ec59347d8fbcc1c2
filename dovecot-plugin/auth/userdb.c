/*
 * userdb - find an account's mailbox, and list all accounts
 *
 * The fields replace Dovecot's own settings: home, user and group ID (those of the worker, which
 * owns the mailboxes), mail location and quota limit.
 */
#include "auth-common.h"

#include "str.h"
#include "userdb.h"

#include "account.h"
#include "authdb.h"
#include "backends.h"
#include "compat/compat.h"
#include "first_worker.h"
#include "relay.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if !DOVECOT_PREREQ(2, 4, 0)
/* A colon ends the path of a mail location unless it is doubled, and an IPv6 address has colons.
 */
static const char *maildir_location(const char *path)
{
	string_t *location = t_str_new(256);

	str_append(location, "maildir:");
	for (; *path != '\0'; path++) {
		if (*path == ':')
			str_append_c(location, ':');
		str_append_c(location, *path);
	}
	return str_c(location);
}
#endif

static void set_fields(struct auth_request *request, const struct cm_config *config,
		       const char *path)
{
	auth_request_set_userdb_field(request, "home", path);
	auth_request_set_userdb_field(request, "uid", dec2str(geteuid()));
	auth_request_set_userdb_field(request, "gid", dec2str(getegid()));
#if DOVECOT_PREREQ(2, 4, 0)
	auth_request_set_userdb_field(request, "mail_driver", "maildir");
	auth_request_set_userdb_field(request, "mail_path", path);
	auth_request_set_userdb_field(request, "quota_storage_size",
				      t_strdup_printf("%" PRIu64 "B", config->max_mailbox_size));
	if (config->max_mailbox_messages > 0)
		auth_request_set_userdb_field(request, "quota_message_count",
					      dec2str(config->max_mailbox_messages));
#else
	auth_request_set_userdb_field(request, "mail", maildir_location(path));
	auth_request_set_userdb_field(request, "quota_rule",
				      t_strdup_printf("*:storage=%" PRIu64 "B:messages=%u",
						      config->max_mailbox_size,
						      config->max_mailbox_messages));
#endif
}

static enum userdb_result found(struct auth_request *request, const struct cm_config *config,
				const struct cm_address *address)
{
	char *path = cm_account_path(config, address);

	if (path == NULL)
		return USERDB_RESULT_INTERNAL_FAILURE;
	if (strcmp(address->text, request->fields.user) != 0)
		auth_request_set_userdb_field(request, "user", address->text);
	set_fields(request, config, path);
	free(path);
	return CM_AUTH_SET_USERDB_FIELDS(request) < 0 ? USERDB_RESULT_INTERNAL_FAILURE
						      : USERDB_RESULT_OK;
}

/* Fronts learn from LMTP which accounts exist. If a blocked one did not, they would create it
   again, on another backend. Its mail is refused later, see mail/moved.c. dsync moves it. */
static bool is_for_front(const struct auth_request *request, const struct cm_config *config)
{
	const char *protocol = CM_AUTH_PROTOCOL(request);

	return config->backend_listen[0] != '\0' &&
	       (null_strcmp(protocol, "lmtp") == 0 || null_strcmp(protocol, "doveadm") == 0);
}

/* To others a blocked account does not exist: mail to it bounces, because its owner could not
   read it. */
static enum userdb_result find(struct auth_request *request)
{
	const struct cm_config *config = cm_relay_config();
	enum cm_account_status status = CM_ACCOUNT_ABSENT;
	struct cm_address address;
	struct cm_error err;

	if (config == NULL)
		return USERDB_RESULT_INTERNAL_FAILURE;
	if (cm_relay_address(config, request->fields.user, &address)) {
		/* dsync moves it. */
		if (null_strcmp(CM_AUTH_PROTOCOL(request), "doveadm") != 0 &&
		    cm_backends_blocked(config, &address))
			return USERDB_RESULT_INTERNAL_FAILURE;
		status = cm_account_lookup(config, &address, &err);
	}
	if (status == CM_ACCOUNT_OK ||
	    (status == CM_ACCOUNT_BLOCKED && is_for_front(request, config)))
		return found(request, config, &address);
	if (status == CM_ACCOUNT_TROUBLE) {
		e_error(cm_relay_event(), "%s", err.text);
		return USERDB_RESULT_INTERNAL_FAILURE;
	}
	CM_AUTH_LOG_UNKNOWN_USER(request);
	return USERDB_RESULT_USER_UNKNOWN;
}

static void lookup(struct auth_request *request, userdb_callback_t *callback)
{
	callback(find(request), request);
}

struct iteration {
	struct userdb_iterate_context ctx;
	const struct cm_config *config;
	DIR *directory;
};

static void open_directory(struct iteration *iteration)
{
	iteration->directory = opendir(iteration->config->mailboxes_dir);
	if (iteration->directory == NULL) {
		e_error(cm_relay_event(), "%s: cannot be listed: %m",
			iteration->config->mailboxes_dir);
		iteration->ctx.failed = TRUE;
	}
}

static struct userdb_iterate_context *iterate_init(struct auth_request *request,
						   userdb_iter_callback_t *callback, void *context)
{
	struct iteration *iteration = i_new(struct iteration, 1);

	iteration->ctx.auth_request = request;
	iteration->ctx.callback = callback;
	iteration->ctx.context = context;
	auth_request_ref(request);
	iteration->config = cm_relay_config();
	if (iteration->config == NULL)
		iteration->ctx.failed = TRUE;
	else
		open_directory(iteration);
	return &iteration->ctx;
}

static void iterate_next(struct userdb_iterate_context *ctx)
{
	struct iteration *iteration = container_of(ctx, struct iteration, ctx);
	struct cm_address address;
	struct dirent *entry = NULL;

	errno = 0;
	while (iteration->directory != NULL && (entry = readdir(iteration->directory)) != NULL) {
		/* A name that is not in normal form is not an account. */
		if (cm_relay_address(iteration->config, entry->d_name, &address) &&
		    strcmp(address.text, entry->d_name) == 0 &&
		    cm_account_lookup(iteration->config, &address, NULL) == CM_ACCOUNT_OK)
			break;
		errno = 0;
	}
	if (entry == NULL && errno != 0) {
		e_error(cm_relay_event(), "%s: cannot be listed: %m",
			iteration->config->mailboxes_dir);
		ctx->failed = TRUE;
	}
	ctx->callback(entry != NULL ? entry->d_name : NULL, ctx->context);
}

static int iterate_deinit(struct userdb_iterate_context *ctx)
{
	struct iteration *iteration = container_of(ctx, struct iteration, ctx);
	int result = ctx->failed ? -1 : 0;

	if (iteration->directory != NULL)
		closedir(iteration->directory);
	auth_request_unref(&ctx->auth_request);
	i_free(iteration);
	return result;
}

static void init(struct userdb_module *module)
{
	module->blocking = TRUE;
	cm_first_worker_wait(module);
}

struct userdb_module_interface cm_userdb = {
    .name = "chatmail",
    .init = init,
    .lookup = lookup,
    .iterate_init = iterate_init,
    .iterate_next = iterate_next,
    .iterate_deinit = iterate_deinit,
};
