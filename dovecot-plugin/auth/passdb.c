/*
 * passdb - who may log in: the password of an account, or its first one
 *
 * An account that exists is let in by its password alone. One that does not is created with the
 * password given, if the registration rules allow it. IMAP and SMTP log in for the first time at
 * once, from the same client or from two: whose password is written first has the account, and the
 * others are checked against that one.
 */
#include "auth-common.h"

#include "net.h"
#include "passdb.h"
#include "password-scheme.h"

#include "account.h"
#include "authdb.h"
#include "compat/compat.h"
#include "log.h"
#include "registration.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Upstream's scheme, so that an operator can move back. */
#define SCHEME     "SHA512-CRYPT"
#define SCHEME_TAG "$6$"

/* One kind of refusal is logged once in so many seconds by each worker. */
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

static enum passdb_result trouble(const struct cm_error *err, enum cm_stat counter)
{
	e_error(cm_relay_event(), "%s", err->text);
	cm_stats_add(cm_relay_stats(), counter, 1);
	return PASSDB_RESULT_INTERNAL_FAILURE;
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

/* Dovecot passes on a reason only of a login that is right but not allowed: "nologin". Its own
   login process for IMAP then answers NO with the reason, which clients show. Postfix knows no such
   field and would let the client in, so nobody else is answered like that. */
static bool explain(enum cm_registration why, struct auth_request *request)
{
	if (null_strcmp(CM_AUTH_PROTOCOL(request), "imap") != 0)
		return FALSE;
	auth_request_set_field(request, "nologin", "", NULL);
	auth_request_set_field(request, "reason", cm_registration_sentence(why), NULL);
	return TRUE;
}

static enum passdb_result refuse(enum cm_registration why, struct auth_request *request)
{
	log_refusal(why, request);
	cm_stats_add(cm_relay_stats(), cm_registration_stat(why), 1);
	if (explain(why, request))
		return PASSDB_RESULT_OK;
	if (cm_registration_is_temporary(why))
		return PASSDB_RESULT_INTERNAL_FAILURE;
	CM_AUTH_LOG_UNKNOWN_USER(request);
	return PASSDB_RESULT_USER_UNKNOWN;
}

static bool generate_hash(const char *user, const char *password, const char **hash_r)
{
	const struct password_generate_params params = {.user = user};
	const char *hash;

	/* crypt() tells of its trouble by a result that is no hash. */
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
		cm_error_set(err, "a password cannot be hashed");
		return CM_ACCOUNT_TROUBLE;
	}
	return cm_account_create(config, address, hash, err);
}

static enum passdb_result verify_hash(struct auth_request *request, const char *password,
				      const char *hash)
{
	const char *scheme = password_get_scheme(&hash);
	enum passdb_result result;

	/* Upstream's hashes have their scheme's prefix; a bare "$6$…" is crypt()'s. */
	if (scheme == NULL)
		scheme = "CRYPT";
	result = CM_AUTH_PASSWORD_VERIFY(request, password, hash, scheme);
	cm_stats_add(cm_relay_stats(),
		     result == PASSDB_RESULT_OK ? CM_STAT_LOGINS : CM_STAT_LOGIN_WRONG_PASSWORD, 1);
	return result;
}

/* The account has a password, perhaps only since a moment ago. CM_ACCOUNT_ABSENT is left to the
   caller. */
static enum cm_account_status verify_existing(const struct cm_config *config,
					      const struct cm_address *address,
					      struct auth_request *request, const char *password,
					      enum passdb_result *result_r)
{
	enum cm_account_status status;
	struct cm_error err;
	char *hash;

	status = cm_account_password(config, address, &hash, &err);
	switch (status) {
	case CM_ACCOUNT_OK:
		*result_r = verify_hash(request, password, hash);
		explicit_bzero(hash, strlen(hash));
		free(hash);
		break;
	case CM_ACCOUNT_BLOCKED:
		cm_stats_add(cm_relay_stats(), CM_STAT_LOGIN_BLOCKED, 1);
		*result_r = PASSDB_RESULT_USER_DISABLED;
		break;
	case CM_ACCOUNT_TROUBLE:
		*result_r = trouble(&err, CM_STAT_LOGIN_TROUBLE);
		break;
	case CM_ACCOUNT_ABSENT:
	case CM_ACCOUNT_EXISTS:
		*result_r = PASSDB_RESULT_USER_UNKNOWN;
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
		cm_stats_add(cm_relay_stats(), CM_STAT_REGISTRATIONS, 1);
		cm_stats_add(cm_relay_stats(),
			     cm_registration_is_automatic(password)
				 ? CM_STAT_REGISTRATIONS_AUTOMATIC
				 : CM_STAT_REGISTRATIONS_CHOSEN,
			     1);
		cm_stats_add(cm_relay_stats(), CM_STAT_LOGINS, 1);
		e_info(cm_relay_event(), "new account %s", cm_log_address(address->text));
		return PASSDB_RESULT_OK;
	}
	if (limits != NULL)
		cm_limits_give_back(limits, config, &source);
	if (status == CM_ACCOUNT_TROUBLE)
		return trouble(&err, CM_STAT_REGISTRATION_TROUBLE);
	(void)verify_existing(config, address, request, password, &result);
	return result;
}

/* IMAP's logins are seen by the mail plugin. */
static void remember_login(const struct cm_config *config, const struct cm_address *address,
			   const struct auth_request *request)
{
	struct cm_error err;

	if (null_strcmp(CM_AUTH_PROTOCOL(request), "imap") == 0)
		return;
	if (cm_account_seen(config, address, time(NULL), &err) == CM_ACCOUNT_TROUBLE)
		e_error(cm_relay_event(), "last seen: %s", err.text);
}

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
	if (verify_existing(config, &address, request, password, &result) == CM_ACCOUNT_ABSENT)
		result = register_account(config, &address, request, password);
	if (result == PASSDB_RESULT_OK)
		remember_login(config, &address, request);
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
