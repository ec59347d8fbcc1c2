#include "registration.h"

#include <string.h>
#include <unistd.h>

#include "resources.h"

/* Characters of the password of an account that a client creates by itself. */
#define AUTOMATIC_LENGTH 23

static const struct {
	const char *name;
	enum cm_stat stat;
	const char *sentence;
} results[] = {
    [CM_REGISTRATION_ALLOWED] = {"allowed", CM_STAT_REGISTRATIONS, NULL},
    [CM_REGISTRATION_REFUSED_CLOSED] =
	{"closed", CM_STAT_REGISTRATION_CLOSED,
	 "This relay does not accept new accounts. Please choose another relay."},
    [CM_REGISTRATION_REFUSED_INVITE] = {"invite", CM_STAT_REGISTRATION_INVITE,
					"This relay is by invitation only. Open the invitation "
					"link that you received, or ask the operator for one."},
    [CM_REGISTRATION_REFUSED_TOKEN] = {"invitation", CM_STAT_REGISTRATION_INVITATION,
				       "This invitation is not valid: it has expired, was used up "
				       "or was revoked. Please ask for a new one."},
    [CM_REGISTRATION_REFUSED_NAME] =
	{"name", CM_STAT_REGISTRATION_NAME,
	 "This relay does not accept accounts with such a name. Please choose another name."},
    [CM_REGISTRATION_REFUSED_PASSWORD] =
	{"password", CM_STAT_REGISTRATION_PASSWORD,
	 "This password is too short or too long for a new account on this relay. "
	 "Please choose another password."},
    [CM_REGISTRATION_REFUSED_AUTOMATIC] =
	{"automatic", CM_STAT_REGISTRATION_AUTOMATIC,
	 "This relay has no such account. Please add the account by its link or QR code."},
    [CM_REGISTRATION_REFUSED_LOAD] =
	{"load", CM_STAT_REGISTRATION_LOAD,
	 "This relay is too busy for new accounts now. Please try again in a few minutes."},
    [CM_REGISTRATION_REFUSED_MEMORY] =
	{"memory", CM_STAT_REGISTRATION_MEMORY,
	 "This relay is too busy for new accounts now. Please try again in a few minutes."},
    [CM_REGISTRATION_REFUSED_DISK] = {"disk", CM_STAT_REGISTRATION_DISK,
				      "This relay has no room for new accounts now. Please choose "
				      "another relay, or try again later."},
    [CM_REGISTRATION_REFUSED_RATE] = {"rate", CM_STAT_REGISTRATION_RATE,
				      "Too many new accounts were created from your network or on "
				      "this relay. Please try again later."},
    [CM_REGISTRATION_TROUBLE] =
	{"internal", CM_STAT_REGISTRATION_TROUBLE,
	 "This relay has a fault and cannot create an account now. Please try again later."},
};

const char *cm_registration_name(enum cm_registration result)
{
	return results[result].name;
}

const char *cm_registration_sentence(enum cm_registration result)
{
	return results[result].sentence;
}

enum cm_stat cm_registration_stat(enum cm_registration result)
{
	return results[result].stat;
}

static enum cm_registration check_mode(const struct cm_config *config, struct cm_error *err)
{
	if (access(CM_NOCREATE_FILE, F_OK) == 0) {
		cm_error_set(err, CM_NOCREATE_FILE " exists");
		return CM_REGISTRATION_REFUSED_CLOSED;
	}
	if (config->registration == CM_REGISTRATION_CLOSED) {
		cm_error_set(err, "registration = closed");
		return CM_REGISTRATION_REFUSED_CLOSED;
	}
	if (config->registration == CM_REGISTRATION_INVITE) {
		cm_error_set(err, "registration = invite");
		return CM_REGISTRATION_REFUSED_INVITE;
	}
	return CM_REGISTRATION_ALLOWED;
}

bool cm_registration_is_closed(const struct cm_config *config)
{
	return check_mode(config, NULL) == CM_REGISTRATION_REFUSED_CLOSED;
}

/* Names of roles (RFC 2142), and the five to which certificate authorities send proofs of control
 * of a domain (CA/Browser Forum Baseline Requirements 3.2.2.4.4). */
static const char *const role_names[] = {
    "abuse",         "admin",     "administrator", "dmarc",    "hostmaster", "info",
    "mailer-daemon", "marketing", "news",          "noc",      "no-reply",   "noreply",
    "postmaster",    "root",      "sales",         "security", "support",    "usenet",
    "uucp",          "webmaster", "www",
};

static bool is_role(const struct cm_address *address)
{
	for (size_t i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++)
		if (strlen(role_names[i]) == address->local_length &&
		    memcmp(role_names[i], address->text, address->local_length) == 0)
			return true;
	return false;
}

/* Postfix refuses addresses with a hyphen at the start (allow_min_user), which many programs take
   for an option. */
bool cm_registration_name_valid(const struct cm_config *config, const struct cm_address *address)
{
	return !is_role(address) && address->text[0] != '-' &&
	       address->local_length >= config->username_min_length &&
	       address->local_length <= config->username_max_length &&
	       strspn(address->text, "abcdefghijklmnopqrstuvwxyz0123456789._-") ==
		   address->local_length;
}

/* Like upstream's, the minimum counts characters, not bytes: continuation bytes of UTF-8 do
   not count. */
static bool is_password_valid(const struct cm_config *config, const char *password)
{
	size_t characters = 0;

	for (const char *byte = password; *byte != '\0'; byte++)
		characters += ((unsigned char)*byte & 0xc0) != 0x80;
	return characters >= config->password_min_length && strlen(password) <= CM_PASSWORD_MAX;
}

bool cm_registration_is_automatic(const char *password)
{
	return strlen(password) == AUTOMATIC_LENGTH &&
	       strspn(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
		   AUTOMATIC_LENGTH;
}

static enum cm_registration check_resources(const struct cm_config *config, struct cm_error *err)
{
	switch (cm_resources_check(config, err)) {
	case CM_RESOURCE_OK:
		return CM_REGISTRATION_ALLOWED;
	case CM_RESOURCE_LOAD:
		return CM_REGISTRATION_REFUSED_LOAD;
	case CM_RESOURCE_MEMORY:
		return CM_REGISTRATION_REFUSED_MEMORY;
	case CM_RESOURCE_DISK:
	case CM_RESOURCE_INODES:
		return CM_REGISTRATION_REFUSED_DISK;
	case CM_RESOURCE_TROUBLE:
		break;
	}
	return CM_REGISTRATION_TROUBLE;
}

static bool has_rates(const struct cm_config *config)
{
	return config->max_new_accounts_per_ip_per_hour > 0 ||
	       config->max_new_accounts_per_minute > 0;
}

static enum cm_registration no_rates(struct cm_error *err)
{
	cm_error_set(err, "cannot keep the rates of new accounts");
	return CM_REGISTRATION_TROUBLE;
}

static enum cm_registration check_rates(const struct cm_config *config, struct cm_limits *limits,
					const struct cm_source *source, uint64_t now_ms,
					struct cm_error *err)
{
	if (!has_rates(config))
		return CM_REGISTRATION_ALLOWED;
	if (limits == NULL)
		return no_rates(err);
	switch (cm_limits_take(limits, config, source, now_ms, err)) {
	case CM_RATE_OK:
		return CM_REGISTRATION_ALLOWED;
	case CM_RATE_SOURCE:
	case CM_RATE_TOTAL:
		return CM_REGISTRATION_REFUSED_RATE;
	case CM_RATE_TROUBLE:
		break;
	}
	return CM_REGISTRATION_TROUBLE;
}

enum cm_registration cm_registration_check_limits(const struct cm_config *config,
						  struct cm_limits *limits,
						  const struct cm_source *source, uint64_t now_ms,
						  struct cm_error *err)
{
	enum cm_registration result = check_resources(config, err);

	if (result != CM_REGISTRATION_ALLOWED)
		return result;
	return check_rates(config, limits, source, now_ms, err);
}

enum cm_registration cm_registration_now(const struct cm_config *config, bool has_limits,
					 struct cm_error *err)
{
	enum cm_registration result = check_mode(config, err);

	if (result == CM_REGISTRATION_ALLOWED)
		result = check_resources(config, err);
	if (result == CM_REGISTRATION_ALLOWED && has_rates(config) && !has_limits)
		return no_rates(err);
	return result;
}

enum cm_registration cm_registration_check(const struct cm_config *config, struct cm_limits *limits,
					   const struct cm_address *address, const char *password,
					   const struct cm_source *source, uint64_t now_ms,
					   struct cm_error *err)
{
	enum cm_registration mode = check_mode(config, NULL);

	if (mode != CM_REGISTRATION_ALLOWED)
		return mode;
	if (!cm_registration_name_valid(config, address))
		return CM_REGISTRATION_REFUSED_NAME;
	if (!is_password_valid(config, password))
		return CM_REGISTRATION_REFUSED_PASSWORD;
	if (!config->automatic_accounts && cm_registration_is_automatic(password))
		return CM_REGISTRATION_REFUSED_AUTOMATIC;
	return cm_registration_check_limits(config, limits, source, now_ms, err);
}
