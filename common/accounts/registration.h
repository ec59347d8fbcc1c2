/*
 * registration - may this account be created?
 *
 * One place for the rules that upstream and the operator set for new accounts; existing accounts
 * never come here. The order is: the mode, the name, the password, the machine's resources, and
 * last the rates, so that an attempt that is refused for another reason does not count.
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

/* The longest password that crypt() of every libc takes (musl: 256 with its NUL). */
#define CM_PASSWORD_MAX 255

enum cm_registration {
	CM_REGISTRATION_ALLOWED,
	CM_REGISTRATION_REFUSED_CLOSED,    /* registration = closed, or CM_NOCREATE_FILE exists */
	CM_REGISTRATION_REFUSED_INVITE,    /* registration = invite: not by logging in */
	CM_REGISTRATION_REFUSED_TOKEN,     /* the invitation is unknown, expired or used up */
	CM_REGISTRATION_REFUSED_NAME,      /* not [a-z0-9._-], of the wrong length, or a role's */
	CM_REGISTRATION_REFUSED_PASSWORD,  /* too short or too long */
	CM_REGISTRATION_REFUSED_AUTOMATIC, /* automatic_accounts = false */
	CM_REGISTRATION_REFUSED_LOAD,      /* from here on: not now */
	CM_REGISTRATION_REFUSED_MEMORY,
	CM_REGISTRATION_REFUSED_DISK, /* bytes or inodes */
	CM_REGISTRATION_REFUSED_RATE,
	CM_REGISTRATION_TROUBLE, /* internal trouble */
};

/* Would an account be created now, apart from its name, its password and the rates? err says why,
 * unless the result is CM_REGISTRATION_ALLOWED. has_limits: the file of the rates can be opened; if
 * it cannot and a rate is set, the result is CM_REGISTRATION_TROUBLE. */
enum cm_registration cm_registration_now(const struct cm_config *config, bool has_limits,
					 struct cm_error *err);

/* Whether the account may be created by its first login, from source, with this password. The
   caller creates it then, and calls cm_limits_give_back() if it did not. err is filled for trouble.
   limits is NULL if the rates cannot be opened. */
enum cm_registration cm_registration_check(const struct cm_config *config, struct cm_limits *limits,
					   const struct cm_address *address, const char *password,
					   const struct cm_source *source, uint64_t now_ms,
					   struct cm_error *err);

/* True if a client made this password for an account that its user did not ask for. Such passwords
   have 23 characters; 22 if the user chose the relay. This is a temporary convention of Delta Chat
   core (since September 2026), so that operators can refuse the former. */
bool cm_registration_is_automatic(const char *password);

/* Its parts, for chatmail-httpd, which invents names and passwords. */
bool cm_registration_is_closed(const struct cm_config *config);
bool cm_registration_name_valid(const struct cm_config *config, const struct cm_address *address);
enum cm_registration cm_registration_check_limits(const struct cm_config *config,
						  struct cm_limits *limits,
						  const struct cm_source *source, uint64_t now_ms,
						  struct cm_error *err);

/* One word for logs: "closed", "name", …; "allowed". */
const char *cm_registration_name(enum cm_registration result);

/* Text for the user, who reads what to do; NULL for CM_REGISTRATION_ALLOWED. Clients show it
 * unchanged. */
const char *cm_registration_sentence(enum cm_registration result);

/* The counter of the result; CM_STAT_REGISTRATIONS for CM_REGISTRATION_ALLOWED. */
enum cm_stat cm_registration_stat(enum cm_registration result);

#endif
