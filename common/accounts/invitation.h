/*
 * invitation - invitations that the operator issued, and the remaining uses of each
 *
 * An invitation is a directory below <mailboxes_dir>/invitations, named by the SHA-256 of its
 * token: the token itself is not stored. It contains a description and one file for each account
 * that can still be created with it. A process creates an account in three steps: it locks such a
 * file, writes the password's hash to it, and renames it to the new account's `password`. The
 * rename uses up the file and creates the account in one step, so neither happens without the
 * other, whichever process is killed. The kernel releases the lock of a dead process, and the
 * next process overwrites the file.
 *
 * The directory is in mailboxes_dir because a rename must stay within a file system. Its name has
 * no '@', so no program treats it as an account.
 */
#ifndef CM_INVITATION_H
#define CM_INVITATION_H

#include <stdbool.h>
#include <time.h>

#include "account.h"
#include "address.h"
#include "config.h"
#include "error.h"

#define CM_INVITATION_DIR "invitations"

/* Characters of a token, from an alphabet of 32: 130 bits. */
#define CM_INVITATION_TOKEN_LENGTH 26
/* Hexadecimal digits that identify an invitation to the operator. */
#define CM_INVITATION_ID_LENGTH 12
#define CM_INVITATION_USES_MAX  10000
#define CM_INVITATION_NOTE_MAX  500 /* bytes */

struct cm_invitation {
	char id[CM_INVITATION_ID_LENGTH + 1];
	char *note; /* malloc'd; never NULL in cm_invitation_each() */
	time_t created;
	time_t expires;    /* 0: never */
	unsigned int uses; /* number of accounts that it was created for */
	unsigned int left; /* remaining uses */
	time_t changed;    /* time of the last use, or of its creation */
};

enum cm_invitation_status {
	CM_INVITATION_OK,
	CM_INVITATION_ABSENT, /* no such invitation, expired, or used up */
	CM_INVITATION_EXISTS, /* the address exists: try another one */
	CM_INVITATION_TROUBLE,
};

/* Creates an invitation for this number of accounts; id and token are filled in. Durable on
   return. note may be NULL. If root creates it, it belongs to the owner of mailboxes_dir. */
bool cm_invitation_create(const struct cm_config *config, unsigned int uses, time_t expires,
			  const char *note, char id[CM_INVITATION_ID_LENGTH + 1],
			  char token[CM_INVITATION_TOKEN_LENGTH + 1], struct cm_error *err);

/* Would the token create an account now? OK, ABSENT or TROUBLE. */
enum cm_invitation_status cm_invitation_check(const struct cm_config *config, const char *token,
					      time_t now, struct cm_error *err);

/* Creates the account with one use of the token: both happen or neither. */
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

/* Shows each invitation, in no order. If show returns false, it ends. False with err filled if
   the directory cannot be read; without the directory there are no invitations. */
typedef bool cm_invitation_show_fn(const struct cm_invitation *invitation, void *context);
bool cm_invitation_each(const struct cm_config *config, cm_invitation_show_fn *show, void *context,
			struct cm_error *err);

/* Revokes an invitation for good. ABSENT: no invitation has this ID. */
enum cm_invitation_status cm_invitation_revoke(const struct cm_config *config, const char *id,
					       struct cm_error *err);

/* Deletes the remains of invitations that killed processes were creating or revoking, if they
   have not changed since before. False with err filled. */
bool cm_invitation_clean(const struct cm_config *config, time_t before, struct cm_error *err);

/* True if the text has the form of a token; the disk is not searched for other texts. */
bool cm_invitation_token_valid(const char *token);

#endif
