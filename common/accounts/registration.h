/*
 * registration - may this account be created?
 *
 * One place for the rules that upstream and the operator set for new accounts; existing accounts
 * never come here. The order is: the mode, the name, the password, the machine's resources, and
 * last the rates, so that an attempt that is refused for another reason does not count for them.
 */
#ifndef CM_REGISTRATION_H
#define CM_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "config.h"
#include "error.h"
#include "registration_limits.h"
#include "stats.h"

/* The longest password that crypt() of every libc accepts (musl: 256 with its NUL). */
#define CM_PASSWORD_MAX 255

enum cm_registration {
	CM_REGISTRATION_ALLOWED,
	CM_REGISTRATION_REFUSED_CLOSED,   /* registration = closed, or CM_NOCREATE_FILE exists */
	CM_REGISTRATION_REFUSED_INVITE,   /* registration = invite: not by a login */
	CM_REGISTRATION_REFUSED_TOKEN,    /* the invitation is unknown, expired or used up */
	CM_REGISTRATION_REFUSED_NAME,     /* not [a-z0-9._-], wrong length, or the name of a role */
	CM_REGISTRATION_REFUSED_PASSWORD, /* too short or too long */
	CM_REGISTRATION_REFUSED_AUTOMATIC, /* automatic_accounts = false */
	CM_REGISTRATION_REFUSED_LOAD,      /* from here on: temporary */
	CM_REGISTRATION_REFUSED_MEMORY,
	CM_REGISTRATION_REFUSED_DISK, /* bytes or inodes */
	CM_REGISTRATION_REFUSED_RATE,
	CM_REGISTRATION_TROUBLE, /* internal error */
};

/* Would an account be created now, apart from its name, its password and the rates? err
   contains the reason, unless the result is CM_REGISTRATION_ALLOWED. has_limits: the file of
   the rates can be opened; if it cannot and a rate is set, the result is
   CM_REGISTRATION_TROUBLE. */
enum cm_registration cm_registration_now(const struct cm_config *config, bool has_limits,
					 struct cm_error *err);

/* May the account be created by its first login, from source, with this password? If so, the
   caller creates it, or calls cm_limits_give_back() if that fails. err is filled for
   CM_REGISTRATION_TROUBLE. limits is NULL if the rates cannot be opened. */
enum cm_registration cm_registration_check(const struct cm_config *config, struct cm_limits *limits,
					   const struct cm_address *address, const char *password,
					   const struct cm_source *source, uint64_t now_ms,
					   struct cm_error *err);

/* True if a client created this password for an account that its user did not request. Such
   passwords have 23 characters; those of accounts that the user requested have 22. This is a
   temporary convention of Delta Chat core (since September 2026), with which operators can
   refuse the former. */
bool cm_registration_is_automatic(const char *password);

/* The parts of cm_registration_check() for accounts whose name and password the relay invents
   (credentials.h, chatmail-httpd). */
bool cm_registration_is_closed(const struct cm_config *config);
bool cm_registration_name_valid(const struct cm_config *config, const struct cm_address *address);
enum cm_registration cm_registration_check_limits(const struct cm_config *config,
						  struct cm_limits *limits,
						  const struct cm_source *source, uint64_t now_ms,
						  struct cm_error *err);

/* One word for logs: "closed", "name", …; "allowed". */
const char *cm_registration_name(enum cm_registration result);

/* Text that says what the user can do; NULL for CM_REGISTRATION_ALLOWED. Clients show it
   unchanged. */
const char *cm_registration_sentence(enum cm_registration result);

/* The counter of the result; CM_STAT_REGISTRATIONS for CM_REGISTRATION_ALLOWED. */
enum cm_stat cm_registration_stat(enum cm_registration result);

#endif
