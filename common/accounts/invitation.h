/*
 * invitation - invitations that the operator handed out, and the uses left of each
 *
 * An invitation is a directory below <mailboxes_dir>/invitations, named by the SHA-256 of its
 * token: the token itself is stored nowhere. It holds a description and one file for each account
 * that may still be made with it. Making one means: lock such a file, write the password's hash
 * into it, and rename it to the new account's `password`. That rename is the one step that uses the
 * file up and makes the account, so neither happens without the other, whichever process is killed.
 * The kernel drops the lock of a process that dies, and the next one writes over what that left in
 * the file.
 *
 * The directory is mailboxes_dir's because a rename stays within a file system. Its name has no
 * '@', so nobody takes it for an account.
 */
#ifndef CM_INVITATION_H
#define CM_INVITATION_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "account.h"
#include "address.h"
#include "config.h"
#include "error.h"

#define CM_INVITATION_DIR "invitations"

/* Characters of a token, of an alphabet of 32: 130 bits. */
#define CM_INVITATION_TOKEN_LENGTH 26
/* Hexadecimal digits that name an invitation to its operator. */
#define CM_INVITATION_ID_LENGTH 12
#define CM_INVITATION_USES_MAX  10000
#define CM_INVITATION_NOTE_MAX  500 /* bytes */

struct cm_invitation {
	char id[CM_INVITATION_ID_LENGTH + 1];
	char *note; /* malloc'd; never NULL in what cm_invitation_each() shows */
	time_t created;
	time_t expires;    /* 0: never */
	unsigned int uses; /* accounts that it was made for */
	unsigned int left; /* uses that are left */
	time_t changed;    /* last used, or made */
};

enum cm_invitation_status {
	CM_INVITATION_OK,
	CM_INVITATION_ABSENT, /* no such invitation, expired, or used up */
	CM_INVITATION_EXISTS, /* the address is taken: try another one */
	CM_INVITATION_TROUBLE,
};

/* Makes an invitation for uses accounts; id and token are filled in. Durable on return. note may be
   NULL. Belongs to the owner of mailboxes_dir if root makes it. */
bool cm_invitation_create(const struct cm_config *config, unsigned int uses, time_t expires,
			  const char *note, char id[CM_INVITATION_ID_LENGTH + 1],
			  char token[CM_INVITATION_TOKEN_LENGTH + 1], struct cm_error *err);

/* Whether the token would make an account now: OK, ABSENT or TROUBLE. */
enum cm_invitation_status cm_invitation_check(const struct cm_config *config, const char *token,
					      time_t now, struct cm_error *err);

/* Makes the account with one use of the token: both or neither. */
enum cm_invitation_status cm_invitation_use(const struct cm_config *config, const char *token,
					    time_t now, const struct cm_address *address,
					    const char *hash, struct cm_error *err);

/* The same on a front, where make makes the account on another machine while the use is locked. The
   use first notes the address, which must be free. If the process is killed, the next one takes up
   the same address, which is put into *address: make returns CM_ACCOUNT_EXISTS if it was made, and
   the use is used up. */
typedef enum cm_account_status cm_invitation_make_fn(void *context, struct cm_error *err);
enum cm_invitation_status cm_invitation_use_elsewhere(const struct cm_config *config,
						      const char *token, time_t now,
						      struct cm_address *address,
						      cm_invitation_make_fn *make, void *context,
						      struct cm_error *err);

/* Shows each invitation, in no order. False from show ends it. False with err filled if the
   directory cannot be read; no directory means no invitations. */
typedef bool cm_invitation_show_fn(const struct cm_invitation *invitation, void *context);
bool cm_invitation_each(const struct cm_config *config, cm_invitation_show_fn *show, void *context,
			struct cm_error *err);

/* Ends an invitation for good. ABSENT: no invitation has this id. */
enum cm_invitation_status cm_invitation_revoke(const struct cm_config *config, const char *id,
					       struct cm_error *err);

/* Deletes what processes that were killed left of invitations that they made or revoked, if it was
   not changed since before. False with err filled. */
bool cm_invitation_clean(const struct cm_config *config, time_t before, struct cm_error *err);

/* True if the text has the form of a token; others are not worth a look at the disk. */
bool cm_invitation_token_valid(const char *token);

#endif
