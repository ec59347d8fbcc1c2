/*
 * account - the mailbox directory as an account: password, flags, last seen
 *
 * Upstream's layout: in <mailboxes_dir>/<address>/ `password` holds "{SCHEME}hash", its
 * modification time, rounded down to a day (UTC), is the last-seen time; if `enforceE2EEincoming`
 * exists, cleartext is refused; if `blocked` (not upstream's) exists, logins are refused.
 * Directory scans and lookups use openat() below mailboxes_dir and never follow a symbolic link
 * of the last component.
 *
 * The installation creates mailboxes_dir. While it is missing, or an account is missing and the
 * program's user may not write to mailboxes_dir (the empty mount point of a file system that is not
 * mounted), every call returns CM_ACCOUNT_TROUBLE: an unmounted disk must not make accounts look
 * unknown.
 */
#ifndef CM_ACCOUNT_H
#define CM_ACCOUNT_H

#include <stdbool.h>
#include <time.h>

#include "address.h"
#include "config.h"
#include "error.h"

#define CM_ACCOUNT_PASSWORD_FILE "password"
#define CM_ACCOUNT_ENFORCE_FILE  "enforceE2EEincoming"
#define CM_ACCOUNT_BLOCKED_FILE  "blocked"
#define CM_ACCOUNT_METADATA_FILE "metadata.json"
/* In mailboxes_dir: accounts are moved here before they are deleted. The name has no '@', so
   no program treats it as an account. */
#define CM_ACCOUNT_TRASH_DIR ".expired"
/* Prefix of the temporary files that a killed process may leave in a mailbox directory. */
#define CM_ACCOUNT_TMP_PREFIX ".chatmail-tmp."

/* Longest content of `password`; a longer file is an error, not an account. */
#define CM_ACCOUNT_HASH_MAX 1024

enum cm_account_status {
	CM_ACCOUNT_OK,      /* it exists (or: it was created by this call) */
	CM_ACCOUNT_ABSENT,  /* it does not exist */
	CM_ACCOUNT_EXISTS,  /* creation: another login's password came first */
	CM_ACCOUNT_BLOCKED, /* the operator blocked it */
	CM_ACCOUNT_TROUBLE, /* the file system failed: err is filled, reply "try later" */
};

/* True if the address has the relay's own domain. */
bool cm_account_is_local(const struct cm_config *config, const struct cm_address *address);

/* True if the mailbox directory of this name has a password file, which makes it an account.
   mailboxes: mailboxes_dir, open. */
bool cm_account_has_password(int mailboxes, const char *name);

/* The mailbox directory's path, malloc'd; NULL if out of memory. */
char *cm_account_path(const struct cm_config *config, const struct cm_address *address);

/* Reads the password hash with its scheme prefix, surrounding white space removed. hash_r is
   malloc'd on CM_ACCOUNT_OK only; the caller wipes and frees it. An empty file is
   CM_ACCOUNT_BLOCKED, as upstream refuses every login then. */
enum cm_account_status cm_account_password(const struct cm_config *config,
					   const struct cm_address *address, char **hash_r,
					   struct cm_error *err);

/* Creates the account with its first password hash: CM_ACCOUNT_OK, or CM_ACCOUNT_EXISTS if the
   account has one already (the first wins, nothing is changed). Durable on return: temporary
   file, fsync, link without replacing. The mailbox directory is created if it is missing, with
   mode 0700. Meanwhile it has a shared flock(); a program that deletes or renames a mailbox
   directory holds an exclusive one, so an account that was created is not deleted as a leftover. */
enum cm_account_status cm_account_create(const struct cm_config *config,
					 const struct cm_address *address, const char *hash,
					 struct cm_error *err);

/* Creates the account by moving the file name of directory into it as its password, in one
   step: at any moment there is either the file or the account. The file holds the hash and has
   been synced to disk; both are on one file system. CM_ACCOUNT_EXISTS if the mailbox directory
   exists, with a password or without; CM_ACCOUNT_ABSENT if the directory or the file vanished
   meanwhile. */
enum cm_account_status cm_account_create_from(const struct cm_config *config,
					      const struct cm_address *address, int directory,
					      const char *name, struct cm_error *err);

/* Replaces the password of an existing account, atomically. Keeps the last-seen time; logins wait
   meanwhile. */
enum cm_account_status cm_account_set_password(const struct cm_config *config,
					       const struct cm_address *address, const char *hash,
					       struct cm_error *err);

/* Whether the account exists, is blocked or is absent, without reading the hash. */
enum cm_account_status cm_account_lookup(const struct cm_config *config,
					 const struct cm_address *address, struct cm_error *err);

/* The same. If the account exists, *refuses_cleartext_r says whether it refuses cleartext. */
enum cm_account_status cm_account_recipient(const struct cm_config *config,
					    const struct cm_address *address,
					    bool *refuses_cleartext_r, struct cm_error *err);

/* Records that the account was used on the day of now, unless it was used later by the time on
   disk: the clock may be behind. There is at most one utime a day. This takes a shared flock() on
   the mailbox directory. Expiry holds an exclusive one while it checks the account and removes its
   password, so an account is either found absent, or recorded as seen and kept. */
enum cm_account_status cm_account_seen(const struct cm_config *config,
				       const struct cm_address *address, time_t now,
				       struct cm_error *err);

/* A deletion that has begun comes first: CM_ACCOUNT_ABSENT. */
enum cm_account_status cm_account_set_blocked(const struct cm_config *config,
					      const struct cm_address *address, bool blocked,
					      struct cm_error *err);

#endif
