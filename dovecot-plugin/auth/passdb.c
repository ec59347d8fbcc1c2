/*
 * passdb - logins: check an account's password, or set the first one
 *
 * An existing account needs its password. A missing one is created with the given password, if
 * the registration rules allow it. First logins may come by IMAP and SMTP at the same time, from
 * one client or several: the password that is written first wins, and the others are checked
 * against it.
 */
#include "auth-common.h"

#include "net.h"
#include "passdb.h"
#include "password-scheme.h"

#include "account.h"
#include "authdb.h"
#include "backend_client.h"
#include "backends.h"
#include "compat/compat.h"
#include "log.h"
#include "registration.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Upstream's scheme, so that an operator can migrate back. */
#define SCHEME     "SHA512-CRYPT"
#define SCHEME_TAG "$6$"

/* Seconds between two log lines of a worker about one kind of refusal. */
#define LOG_INTERVAL 60

static struct cm_source request_source(const struct auth_request *request)
{
	const struct ip_addr *ip = &request->fields.remote_ip;

	if (ip->family == AF_INET)
		return cm_source_ipv4(&ip->u.ip4);
	if (ip->family == AF_INET6)
		return cm_source_ipv6(&ip->u.ip6);
	return (struct cm_source){.length = 0};
}

/* A flood of refused attempts must not become a flood of lines. */
static void log_refusal(enum cm_registration why, const struct auth_request *request)
{
	static time_t logged[CM_REGISTRATION_TROUBLE + 1];
	time_t now = time(NULL);

	if (now - logged[why] < LOG_INTERVAL && now >= logged[why])
		return;
	logged[why] = now;
	e_info(cm_relay_event(), "no new account for %s from %s: %s (logged once a minute)",
	       cm_log_address(request->fields.user),
	       cm_log_address(net_ip2addr(&request->fields.remote_ip)), cm_registration_name(why));
}

/* Refuses with a reason for the user. Dovecot keeps the reason only if another passdb follows,
   which is that of last.c. For temporary failures Dovecot has its own text, so
   our refusals are final, and the sentence says whether to try later. */
static enum passdb_result fail(struct auth_request *request, const char *reason)
{
	auth_request_set_field(request, "reason", reason, NULL);
	return PASSDB_RESULT_NEXT;
}

static enum passdb_result trouble(const struct cm_error *err, enum cm_stat counter)
{
	e_error(cm_relay_event(), "%s", err->text);
	cm_relay_count(counter, 1);
	return PASSDB_RESULT_INTERNAL_FAILURE;
}

/* By SMTP the client gets either the sentence or a reply that asks to try later. */
static enum passdb_result refuse(enum cm_registration why, struct auth_request *request)
{
	log_refusal(why, request);
	cm_relay_count(cm_registration_stat(why), 1);
	if (why >= CM_REGISTRATION_REFUSED_LOAD && cm_is_smtp(request))
		return PASSDB_RESULT_INTERNAL_FAILURE;
	return fail(request, cm_registration_sentence(why));
}

static bool generate_hash(const char *user, const char *password, const char **hash_r)
{
	const struct password_generate_params params = {.user = user};
	const char *hash;

	/* crypt() reports a failure by a result that is not a hash. */
	if (!password_generate_encoded(password, &params, SCHEME, &hash) ||
	    strncmp(hash, SCHEME_TAG, strlen(SCHEME_TAG)) != 0)
		return FALSE;
	*hash_r = t_strconcat("{" SCHEME "}", hash, NULL);
	return TRUE;
}

static enum cm_account_status create_account(const struct cm_config *config,
					     const struct cm_address *address, const char *password,
					     struct cm_error *err)
{
	const char *hash;

	if (!generate_hash(address->text, password, &hash)) {
		cm_error_set(err, "cannot hash a password");
		return CM_ACCOUNT_TROUBLE;
	}
	return cm_account_create(config, address, hash, err);
}

/* 1: it is the password; 0: it is not; -1: the hash is unusable, err is filled. */
static int matches(const char *user, const char *password, const char *hash, struct cm_error *err)
{
	const struct password_generate_params params = {.user = user};
	const char *scheme = password_get_scheme(&hash), *error;
	const unsigned char *raw;
	int result = -1;
	size_t size;

	/* Upstream's hashes have their scheme's prefix; a bare "$6$…" is crypt()'s. */
	if (scheme == NULL)
		scheme = "CRYPT";
	switch (password_decode(hash, scheme, &raw, &size, &error)) {
	case 1:
		result = password_verify(password, &params, scheme, raw, size, &error);
		break;
	case 0:
		error = "unknown scheme";
		break;
	}
	if (result < 0)
		cm_error_set(err, "cannot verify a stored password: %s", error);
	return result;
}

/* The login is recorded before the client learns of it, so the account is not deleted afterwards.
 */
static enum cm_account_status remember_login(const struct cm_config *config,
					     const struct cm_address *address)
{
	struct cm_error err;
	enum cm_account_status status = cm_account_seen(config, address, time(NULL), &err);

	if (status == CM_ACCOUNT_TROUBLE)
		e_error(cm_relay_event(), "last seen: %s", err.text);
	return status == CM_ACCOUNT_ABSENT ? CM_ACCOUNT_ABSENT : CM_ACCOUNT_OK;
}

static enum cm_account_status verify_hash(const struct cm_config *config,
					  const struct cm_address *address, const char *password,
					  const char *hash, enum passdb_result *result_r)
{
	struct cm_error err;

	switch (matches(address->text, password, hash, &err)) {
	case -1:
		*result_r = trouble(&err, CM_STAT_LOGIN_TROUBLE);
		break;
	case 0:
		cm_relay_count(CM_STAT_LOGIN_WRONG_PASSWORD, 1);
		*result_r = PASSDB_RESULT_PASSWORD_MISMATCH;
		break;
	default:
		if (remember_login(config, address) == CM_ACCOUNT_ABSENT)
			return CM_ACCOUNT_ABSENT;
		cm_relay_count(CM_STAT_LOGINS, 1);
		*result_r = PASSDB_RESULT_OK;
		break;
	}
	return CM_ACCOUNT_OK;
}

/* The account has a password, which may be new. The caller handles CM_ACCOUNT_ABSENT. */
static enum cm_account_status verify_existing(const struct cm_config *config,
					      const struct cm_address *address,
					      const char *password, enum passdb_result *result_r)
{
	enum cm_account_status status;
	struct cm_error err;
	char *hash;

	*result_r = PASSDB_RESULT_USER_UNKNOWN;
	status = cm_account_password(config, address, &hash, &err);
	switch (status) {
	case CM_ACCOUNT_OK:
		status = verify_hash(config, address, password, hash, result_r);
		explicit_bzero(hash, strlen(hash));
		free(hash);
		break;
	case CM_ACCOUNT_BLOCKED:
		cm_relay_count(CM_STAT_LOGIN_BLOCKED, 1);
		*result_r = PASSDB_RESULT_USER_DISABLED;
		break;
	case CM_ACCOUNT_TROUBLE:
		*result_r = trouble(&err, CM_STAT_LOGIN_TROUBLE);
		break;
	case CM_ACCOUNT_ABSENT:
	case CM_ACCOUNT_EXISTS:
		break;
	}
	return status;
}

static enum passdb_result register_account(const struct cm_config *config,
					   const struct cm_address *address,
					   struct auth_request *request, const char *password)
{
	struct cm_source source = request_source(request);
	struct cm_limits *limits = cm_relay_limits();
	enum cm_account_status status;
	enum cm_registration allowed;
	enum passdb_result result;
	struct cm_error err;

	allowed = cm_registration_check(config, limits, address, password, &source, cm_limits_now(),
					&err);
	if (allowed == CM_REGISTRATION_TROUBLE)
		return trouble(&err, CM_STAT_REGISTRATION_TROUBLE);
	if (allowed != CM_REGISTRATION_ALLOWED)
		return refuse(allowed, request);
	status = create_account(config, address, password, &err);
	if (status == CM_ACCOUNT_OK) {
		cm_relay_count(CM_STAT_REGISTRATIONS, 1);
		cm_relay_count(cm_registration_is_automatic(password)
				   ? CM_STAT_REGISTRATIONS_AUTOMATIC
				   : CM_STAT_REGISTRATIONS_CHOSEN,
			       1);
		cm_relay_count(CM_STAT_LOGINS, 1);
		e_info(cm_relay_event(), "new account %s", cm_log_address(address->text));
		return PASSDB_RESULT_OK;
	}
	if (limits != NULL)
		cm_limits_give_back(limits, config, &source);
	if (status == CM_ACCOUNT_TROUBLE)
		return trouble(&err, CM_STAT_REGISTRATION_TROUBLE);
	(void)verify_existing(config, address, password, &result);
	return result;
}

/* --- On a front: the account is on another machine ------------------------------------------- */

/* Dovecot connects the client to a backend, with the password that the client gave. */
static void set_proxy(struct auth_request *request, const char *host, unsigned int port)
{
	auth_request_set_field(request, "nopassword", "", NULL);
	auth_request_set_field(request, "proxy", "", NULL);
	auth_request_set_field(request, "host", host, NULL);
	auth_request_set_field(request, "port", dec2str(port), NULL);
}

/* An SMTP client is not proxied, so its password is tried at the backend. */
static enum passdb_result try_password(const struct cm_address *address, const char *host,
				       struct auth_request *request, const char *password)
{
	char text[CM_BACKEND_TEXT_SIZE];
	struct cm_error err;

	switch (cm_backend_login(host, address->text, password, text, &err)) {
	case CM_BACKEND_LOGIN_OK:
		cm_relay_count(CM_STAT_LOGINS, 1);
		return PASSDB_RESULT_OK;
	case CM_BACKEND_LOGIN_REFUSED:
		cm_relay_count(CM_STAT_LOGIN_WRONG_PASSWORD, 1);
		return fail(request, t_strdup(text));
	default:
		return trouble(&err, CM_STAT_LOGIN_TROUBLE);
	}
}

/* The backend creates a new account; this machine decides whether it may, because it counts
   all of them. */
static enum passdb_result log_in_at_backend(const struct cm_config *config,
					    const struct cm_address *address,
					    struct auth_request *request, const char *password)
{
	struct cm_source source = request_source(request);
	char host[CM_BACKEND_HOST_SIZE];
	enum cm_account_status status;
	enum cm_registration allowed;
	struct cm_error err;

	status = cm_backends_find(config, address, host, &err);
	if (status == CM_ACCOUNT_ABSENT) {
		allowed = cm_registration_check(config, cm_relay_limits(), address, password,
						&source, cm_limits_now(), &err);
		if (allowed == CM_REGISTRATION_TROUBLE)
			return trouble(&err, CM_STAT_REGISTRATION_TROUBLE);
		if (allowed != CM_REGISTRATION_ALLOWED)
			return refuse(allowed, request);
		cm_relay_count(CM_STAT_REGISTRATIONS, 1);
	} else if (status != CM_ACCOUNT_OK) {
		return trouble(&err, CM_STAT_LOGIN_TROUBLE);
	}
	if (null_strcmp(CM_AUTH_PROTOCOL(request), "imap") != 0)
		return try_password(address, host, request, password);
	set_proxy(request, host, CM_BACKEND_IMAP_PORT);
	return PASSDB_RESULT_OK;
}

/* The destination for LMTP. */
static enum passdb_result find_backend(const struct cm_config *config,
				       const struct cm_address *address,
				       struct auth_request *request)
{
	bool lmtp = null_strcmp(CM_AUTH_PROTOCOL(request), "lmtp") == 0;
	char host[CM_BACKEND_HOST_SIZE];
	struct cm_error err;

	switch (cm_backends_find(config, address, host, &err)) {
	case CM_ACCOUNT_OK:
		set_proxy(request, host, lmtp ? CM_BACKEND_LMTP_PORT : CM_BACKEND_IMAP_PORT);
		return PASSDB_RESULT_OK;
	case CM_ACCOUNT_ABSENT:
		return PASSDB_RESULT_USER_UNKNOWN;
	default:
		e_error(cm_relay_event(), "%s", err.text);
		return PASSDB_RESULT_INTERNAL_FAILURE;
	}
}

/* --- A login -------------------------------------------------------------------------------- */

static enum passdb_result log_in(struct auth_request *request, const char *password)
{
	const struct cm_config *config = cm_relay_config();
	enum passdb_result result;
	struct cm_address address;

	if (config == NULL || CM_AUTH_SET_PASSDB_FIELDS(request) < 0)
		return PASSDB_RESULT_INTERNAL_FAILURE;
	if (!cm_relay_address(config, request->fields.user, &address)) {
		CM_AUTH_LOG_UNKNOWN_USER(request);
		return PASSDB_RESULT_USER_UNKNOWN;
	}
	if (strcmp(address.text, request->fields.user) != 0)
		auth_request_set_field(request, "user", address.text, NULL);
	if (cm_backends_used(config))
		return log_in_at_backend(config, &address, request, password);
	if (cm_backends_blocked(config, &address))
		return PASSDB_RESULT_INTERNAL_FAILURE;
	if (verify_existing(config, &address, password, &result) == CM_ACCOUNT_ABSENT)
		result = register_account(config, &address, request, password);
	return result;
}

static void verify_plain(struct auth_request *request, const char *password,
			 verify_plain_callback_t *callback)
{
	callback(log_in(request, password), request);
}

/* Mechanisms that need the stored password, and `doveadm auth lookup`: never creates an account. */
static void lookup_credentials(struct auth_request *request,
			       lookup_credentials_callback_t *callback)
{
	const struct cm_config *config = cm_relay_config();
	enum passdb_result result = PASSDB_RESULT_INTERNAL_FAILURE;
	const char *password = NULL, *scheme = NULL;
	struct cm_address address;
	struct cm_error err;
	char *hash = NULL;

	if (config != NULL && cm_backends_used(config)) {
		if (CM_AUTH_SET_PASSDB_FIELDS(request) >= 0)
			result = cm_relay_address(config, request->fields.user, &address)
				     ? find_backend(config, &address, request)
				     : PASSDB_RESULT_USER_UNKNOWN;
		passdb_handle_credentials(result, "", "PLAIN", callback, request);
		return;
	}
	if (config != NULL && CM_AUTH_SET_PASSDB_FIELDS(request) >= 0) {
		enum cm_account_status status = CM_ACCOUNT_ABSENT;

		if (cm_relay_address(config, request->fields.user, &address))
			status = cm_account_password(config, &address, &hash, &err);
		if (status == CM_ACCOUNT_OK)
			result = PASSDB_RESULT_OK;
		else if (status == CM_ACCOUNT_TROUBLE)
			result = trouble(&err, CM_STAT_LOGIN_TROUBLE);
		else if (status == CM_ACCOUNT_BLOCKED)
			result = PASSDB_RESULT_USER_DISABLED;
		else
			result = PASSDB_RESULT_USER_UNKNOWN;
	}
	if (hash != NULL) {
		password = hash;
		scheme = password_get_scheme(&password);
	}
	passdb_handle_credentials(result, password, scheme != NULL ? scheme : "CRYPT", callback,
				  request);
	if (hash != NULL)
		explicit_bzero(hash, strlen(hash));
	free(hash);
}

static void init(struct passdb_module *module)
{
	module->blocking = TRUE;
}

struct passdb_module_interface cm_passdb = {
    .name = "chatmail",
    .init = init,
    .verify_plain = verify_plain,
    .lookup_credentials = lookup_credentials,
};
