#include "user_job.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "owner.h"
#include "process.h"

bool cm_user_begin(struct cm_user_job *job)
{
	job->config = cm_command_read_config(job->program, job->config_path, &job->err);
	return job->config != NULL && cm_owner_become(job->config->mailboxes_dir, &job->err);
}

int cm_user_end(struct cm_user_job *job, int status)
{
	cm_owner_return();
	cm_config_free(&job->config);
	if (status != CM_EXIT_OK && job->err.text[0] != '\0')
		(void)cm_command_fail(job->program, &job->err);
	return status;
}

bool cm_user_address(struct cm_user_job *job, const char *text, struct cm_address *address_r)
{
	char whole[CM_ADDRESS_MAX + 1];
	int length =
	    snprintf(whole, sizeof(whole), "%s%s%s", text, strchr(text, '@') == NULL ? "@" : "",
		     strchr(text, '@') == NULL ? job->config->mail_domain : "");

	if (length <= 0 || (size_t)length >= sizeof(whole) ||
	    !cm_address_parse(whole, (size_t)length, address_r)) {
		cm_error_set(&job->err, "%s: not an address", text);
		return false;
	}
	if (!cm_account_is_local(job->config, address_r)) {
		cm_error_set(&job->err, "%s: not an address of this relay, whose domain is %s",
			     text, job->config->mail_domain);
		return false;
	}
	return true;
}

int cm_user_open_mailboxes(struct cm_user_job *job)
{
	int fd = open(job->config->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		cm_error_set_errno(&job->err, "%s: cannot be opened", job->config->mailboxes_dir);
	return fd;
}

int cm_user_account_error(struct cm_user_job *job, const struct cm_address *address,
			  enum cm_account_status status)
{
	if (status == CM_ACCOUNT_TROUBLE) {
		const struct cm_error trouble = job->err;

		cm_error_set(&job->err, "%s: %s", address->text, trouble.text);
		return CM_EXIT_TROUBLE;
	}
	if (status == CM_ACCOUNT_EXISTS)
		cm_error_set(&job->err, "%s: the account already exists", address->text);
	else
		cm_error_set(&job->err, "%s: no such account", address->text);
	return CM_EXIT_NO;
}

static bool kick(const struct cm_address *address, bool force, struct cm_process_result *result_r,
		 struct cm_error *err)
{
	const char *const gently[] = {"doveadm", "kick", address->text, NULL};
	const char *const forced[] = {"doveadm", "kick", "-f", address->text, NULL};

	return cm_process_run(force ? forced : gently, true, result_r, err);
}

/* doveadm's exit status: a session was ended; there was no session; Dovecot does not run. */
#define KICKED      0
#define NO_SESSIONS 68 /* EX_NOHOST */
#define NOT_RUNNING 75 /* EX_TEMPFAIL */

/* Seconds until a login that was checked before a change has its session. */
#define LATE_SESSIONS 1

static void end_sessions(const struct cm_user_job *job, const struct cm_address *address)
{
	struct cm_process_result result = {0};
	struct cm_error err;
	bool ran;

	ran = kick(address, false, &result, &err);
	/* A hibernating session shares its process; the other clients reconnect automatically. */
	if (ran && strstr(result.output, "would also be kicked") != NULL) {
		free(result.output);
		ran = kick(address, true, &result, &err);
	}
	if (!ran)
		fprintf(stderr, "%s: warning: its sessions stay open: %s\n", job->program,
			err.text);
	else if (result.status != KICKED && result.status != NO_SESSIONS &&
		 result.status != NOT_RUNNING && result.status != CM_PROCESS_NOT_FOUND)
		fprintf(stderr, "%s: warning: its sessions stay open: %s", job->program,
			result.output);
	free(result.output);
}

void cm_user_end_sessions(const struct cm_user_job *job, const struct cm_address *addresses,
			  size_t count)
{
	const struct timespec pause = {.tv_sec = LATE_SESSIONS};

	for (size_t i = 0; i < count; i++)
		end_sessions(job, &addresses[i]);
	nanosleep(&pause, NULL);
	for (size_t i = 0; i < count; i++)
		end_sessions(job, &addresses[i]);
}
