/*
 * user_job - one run of a subcommand of chatmailctl user, and what all of them need
 */
#ifndef CM_USER_JOB_H
#define CM_USER_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "account.h"
#include "address.h"
#include "config.h"
#include "error.h"

struct cm_user_job {
	const char *program; /* "chatmailctl user show", for messages */
	const char *config_path;
	struct cm_config *config;
	bool json;
	struct cm_error err;
};

/* Reads the configuration and takes on the rights of the mailboxes' owner. False with job->err
   filled. */
bool cm_user_begin(struct cm_user_job *job);

/* Releases everything, and reports job->err if status is CM_EXIT_TROUBLE or CM_EXIT_NO and err
   is filled. Returns status. */
int cm_user_end(struct cm_user_job *job, int status);

/* Parses an address of this relay, or only its local part. False with err filled. */
bool cm_user_address(struct cm_user_job *job, const char *text, struct cm_address *address_r);

/* Opens mailboxes_dir. -1 with err filled. */
int cm_user_open_mailboxes(struct cm_user_job *job);

/* Fills err with the meaning of an account's status other than CM_ACCOUNT_OK for the operator;
   keeps the text of CM_ACCOUNT_TROUBLE. Returns the exit status. */
int cm_user_account_error(struct cm_user_job *job, const struct cm_address *address,
			  enum cm_account_status status);

/* Ends the IMAP sessions of the accounts, also those of logins in progress: takes at least a
   second, however many there are. Prints a warning for each account for which that fails. */
void cm_user_end_sessions(const struct cm_user_job *job, const struct cm_address *addresses,
			  size_t count);

#endif
