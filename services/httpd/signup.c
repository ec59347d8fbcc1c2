#include "signup.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account.h"
#include "backend_client.h"
#include "backends.h"
#include "credentials.h"
#include "invitation.h"

/* Attempts to find a free name. A second one is improbable; more indicate another fault. */
#define ATTEMPTS 5

/* Called before anything is taken from the rates. */
static enum cm_registration check_mode(const struct cm_config *config, const char *token,
				       struct cm_error *err)
{
	if (cm_registration_is_closed(config))
		return CM_REGISTRATION_REFUSED_CLOSED;
	if (config->registration != CM_REGISTRATION_INVITE)
		return CM_REGISTRATION_ALLOWED;
	if (token[0] == '\0')
		return CM_REGISTRATION_REFUSED_INVITE;
	switch (cm_invitation_check(config, token, time(NULL), err)) {
	case CM_INVITATION_OK:
		return CM_REGISTRATION_ALLOWED;
	case CM_INVITATION_ABSENT:
		return CM_REGISTRATION_REFUSED_TOKEN;
	default:
		return CM_REGISTRATION_TROUBLE;
	}
}

/* One attempt to create an account. */
struct attempt {
	const struct cm_config *config;
	struct cm_address *address;
	const char *password;
	const char *hash;
};

/* On a front. The first login makes the account. CM_ACCOUNT_EXISTS: another password is its own. */
static enum cm_account_status create_at_backend(void *context, struct cm_error *err)
{
	const struct attempt *attempt = context;
	char host[CM_BACKEND_HOST_SIZE], text[CM_BACKEND_TEXT_SIZE];
	enum cm_account_status status =
	    cm_backends_find(attempt->config, attempt->address, host, err);

	if (status != CM_ACCOUNT_ABSENT)
		return status == CM_ACCOUNT_OK ? CM_ACCOUNT_EXISTS : status;
	switch (cm_backend_login(host, attempt->address->text, attempt->password, text, err)) {
	case CM_BACKEND_LOGIN_OK:
		return CM_ACCOUNT_OK;
	case CM_BACKEND_LOGIN_REFUSED:
		/* A process that was killed may have sent its own login just before. */
		if (cm_backend_has(host, attempt->address->text, err) == CM_ACCOUNT_OK)
			return CM_ACCOUNT_EXISTS;
		cm_error_set(err, "backend %s: did not create the account: %s", host, text);
		return CM_ACCOUNT_TROUBLE;
	default:
		return CM_ACCOUNT_TROUBLE;
	}
}

static enum cm_invitation_status invite_at_backend(struct attempt *attempt, const char *token,
						   struct cm_error *err)
{
	char host[CM_BACKEND_HOST_SIZE];

	switch (cm_backends_find(attempt->config, attempt->address, host, err)) {
	case CM_ACCOUNT_ABSENT:
		return cm_invitation_use_elsewhere(attempt->config, token, time(NULL),
						   attempt->address, create_at_backend, attempt,
						   err);
	case CM_ACCOUNT_OK:
		return CM_INVITATION_EXISTS;
	default:
		return CM_INVITATION_TROUBLE;
	}
}

static enum cm_invitation_status invite(struct attempt *attempt, const char *token,
					struct cm_error *err)
{
	if (cm_backends_used(attempt->config))
		return invite_at_backend(attempt, token, err);
	return cm_invitation_use(attempt->config, token, time(NULL), attempt->address,
				 attempt->hash, err);
}

/* CM_ACCOUNT_ABSENT: the invitation was used up meanwhile. */
static enum cm_account_status create(struct attempt *attempt, const char *token,
				     struct cm_error *err)
{
	const struct cm_config *config = attempt->config;

	if (config->registration != CM_REGISTRATION_INVITE)
		return cm_backends_used(config)
			   ? create_at_backend(attempt, err)
			   : cm_account_create(config, attempt->address, attempt->hash, err);
	switch (invite(attempt, token, err)) {
	case CM_INVITATION_OK:
		return CM_ACCOUNT_OK;
	case CM_INVITATION_EXISTS:
		return CM_ACCOUNT_EXISTS;
	case CM_INVITATION_ABSENT:
		return CM_ACCOUNT_ABSENT;
	default:
		return CM_ACCOUNT_TROUBLE;
	}
}

static enum cm_account_status create_any(const struct cm_config *config, const char *token,
					 struct cm_signup *signup, struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_TROUBLE;
	char *hash;

	signup->password = cm_credentials_password(config, err);
	if (signup->password == NULL)
		return status;
	hash = cm_password_hash(signup->password, err);
	if (hash == NULL)
		return status;
	for (int i = 0; i < ATTEMPTS; i++) {
		struct attempt attempt = {config, &signup->address, signup->password, hash};

		status = CM_ACCOUNT_TROUBLE;
		if (!cm_credentials_address(config, &signup->address, err))
			break;
		status = create(&attempt, token, err);
		if (status != CM_ACCOUNT_EXISTS && status != CM_ACCOUNT_BLOCKED)
			break;
	}
	explicit_bzero(hash, strlen(hash));
	free(hash);
	if (status == CM_ACCOUNT_EXISTS || status == CM_ACCOUNT_BLOCKED)
		cm_error_set(err, "no free name found for a new account");
	return status;
}

static enum cm_registration make(const struct cm_httpd_context *context,
				 const struct cm_httpd_request *request, struct cm_signup *signup,
				 struct cm_error *err)
{
	const struct cm_config *config = context->config;
	enum cm_registration result = check_mode(config, request->token, err);
	enum cm_account_status status;

	if (result == CM_REGISTRATION_ALLOWED)
		result = cm_registration_check_limits(config, context->limits, &request->source,
						      cm_limits_now(), err);
	if (result != CM_REGISTRATION_ALLOWED)
		return result;
	status = create_any(config, request->token, signup, err);
	if (status == CM_ACCOUNT_OK)
		return CM_REGISTRATION_ALLOWED;
	if (context->limits != NULL)
		cm_limits_give_back(context->limits, config, &request->source);
	return status == CM_ACCOUNT_ABSENT ? CM_REGISTRATION_REFUSED_TOKEN
					   : CM_REGISTRATION_TROUBLE;
}

enum cm_registration cm_signup(const struct cm_httpd_context *context,
			       const struct cm_httpd_request *request, struct cm_signup *signup_r,
			       struct cm_error *err)
{
	bool invited = context->config->registration == CM_REGISTRATION_INVITE;
	enum cm_registration result;

	*signup_r = (struct cm_signup){.password = NULL};
	result = make(context, request, signup_r, err);
	cm_stats_add(context->stats, cm_registration_stat(result), 1);
	if (result == CM_REGISTRATION_ALLOWED)
		cm_stats_add(context->stats,
			     invited ? CM_STAT_REGISTRATIONS_INVITED : CM_STAT_REGISTRATIONS_WEB,
			     1);
	return result;
}

void cm_signup_deinit(struct cm_signup *signup)
{
	if (signup->password != NULL)
		explicit_bzero(signup->password, strlen(signup->password));
	free(signup->password);
	signup->password = NULL;
}
