/*
 * backup - chatmailctl backup: the whole relay as one stream
 *
 * SYNOPSIS
 *	chatmailctl backup [-c INI] [--encrypt-to RECIPIENT]... [--json] FILE|-
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "archive_option.h"
#include "command.h"
#include "directory.h"
#include "file.h"
#include "invitation.h"
#include "json_print.h"
#include "mailbox_pack.h"
#include "maildir_walk.h"
#include "options.h"
#include "progress.h"
#include "push_queue.h"
#include "relay_files.h"

#define PROGRAM "chatmailctl backup"

struct job {
	const char *config_path;
	struct cm_archive_target target;
	bool json;
	struct cm_config *config;
	struct cm_archive_writer *writer;
	struct cm_error err;
};

static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job->config_path),
	    CM_OPTION_ENCRYPT(&job->target),
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = PROGRAM,
	    .synopsis = "[OPTION]... FILE|-",
	    .summary =
		"Writes the whole relay to one archive, while it runs: accounts with their "
		"mail,\nconfiguration, keys, certificate, invitations. See chatmailctl restore.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	return cm_archive_option_path(&job->target, words[0], job->json, PROGRAM);
}

/* --- Files beside the mailboxes ------------------------------------------------------------- */

/* Through symbolic links, which certificates often are. */
static bool read_file(const char *path, size_t max, struct stat *st_r, char **data_r,
		      size_t *length_r)
{
	char *real = realpath(path, NULL);
	bool good = real != NULL && stat(real, st_r) == 0 &&
		    cm_file_read(AT_FDCWD, real, max, data_r, length_r);

	free(real);
	return good;
}

static bool pack_relay_file(const char *role, const char *path, void *context)
{
	struct job *job = context;
	char *name = NULL, *data;
	struct stat st;
	size_t length;
	bool good;

	/* The keys may include directories. */
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	if (!read_file(path, cm_relay_file_max(role), &st, &data, &length)) {
		cm_error_set_errno(&job->err, "%s: cannot be read", path);
		return false;
	}
	if (asprintf(&name, CM_ARCHIVE_RELAY "%s", role) < 0) {
		cm_error_set(&job->err, "out of memory");
		good = false;
	} else {
		good = cm_archive_put_data(job->writer, name, &st, data, length, &job->err);
		free(name);
	}
	explicit_bzero(data, length);
	free(data);
	return good;
}

/* --- What is in mailboxes_dir --------------------------------------------------------------- */

/* 1: packed; 0: it does not exist; -1: err is filled. */
static int pack_tree(struct job *job, int mailboxes_fd, const char *name)
{
	char path[sizeof(CM_ARCHIVE_MAIL) + 256];
	int fd = cm_directory_open(mailboxes_fd, name);
	struct cm_error err;
	bool good;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	snprintf(path, sizeof(path), CM_ARCHIVE_MAIL "%.255s", name);
	if (fd < 0)
		cm_error_set_errno(&err, "cannot be opened");
	good = fd >= 0 && cm_mailbox_pack(job->writer, fd, path, &err);
	if (fd >= 0)
		close(fd);
	if (!good)
		cm_error_set(&job->err, "%s: %s", path + strlen(CM_ARCHIVE_MAIL), err.text);
	return good ? 1 : -1;
}

static bool is_account(int mailboxes_fd, const char *name)
{
	struct cm_address address;

	return cm_address_parse(name, strlen(name), &address) && strcmp(address.text, name) == 0 &&
	       cm_account_has_password(mailboxes_fd, name);
}

static bool count_accounts(struct cm_mailboxes *mailboxes, uint64_t *count_r, struct cm_error *err)
{
	const char *name;
	bool good;

	*count_r = 0;
	while ((good = cm_mailboxes_next(mailboxes, &name, err)) && name != NULL)
		(*count_r)++;
	cm_mailboxes_rewind(mailboxes);
	return good;
}

static bool pack_accounts(struct job *job, struct cm_mailboxes *mailboxes)
{
	struct cm_archive_totals *totals = cm_archive_totals(job->writer);
	struct cm_progress progress;
	const char *name;
	uint64_t count, done = 0;
	bool good = count_accounts(mailboxes, &count, &job->err);
	int fd = cm_mailboxes_fd(mailboxes);

	cm_progress_begin(&progress, "accounts", count);
	while (good && (good = cm_mailboxes_next(mailboxes, &name, &job->err)) && name != NULL) {
		int packed = is_account(fd, name) ? pack_tree(job, fd, name) : 0;

		totals->accounts += packed > 0;
		good = packed >= 0;
		cm_progress_update(&progress, ++done);
	}
	cm_progress_end(&progress);
	return good;
}

static bool pack_mail(struct job *job)
{
	struct cm_mailboxes *mailboxes = cm_mailboxes_open(job->config->mailboxes_dir, &job->err);
	bool good = mailboxes != NULL &&
		    pack_tree(job, cm_mailboxes_fd(mailboxes), CM_INVITATION_DIR) >= 0 &&
		    pack_accounts(job, mailboxes) &&
		    pack_tree(job, cm_mailboxes_fd(mailboxes), CM_PUSH_QUEUE_DIR) >= 0;

	cm_mailboxes_close(&mailboxes);
	return good;
}

/* --- The command ---------------------------------------------------------------------------- */

static void print_result(const struct job *job, const struct cm_archive_totals *totals,
			 const char *sha256)
{
	if (job->json) {
		(void)cm_json_print(json_pack("{s:I, s:I, s:I, s:s}", "accounts",
					      (json_int_t)totals->accounts, "messages",
					      (json_int_t)totals->messages, "bytes",
					      (json_int_t)totals->bytes, "sha256", sha256),
				    NULL);
	} else if (strcmp(job->target.path, "-") != 0) {
		printf("%" PRIu64 " accounts, %" PRIu64 " messages, %" PRIu64 " bytes\n",
		       totals->accounts, totals->messages, totals->bytes);
	}
}

static int run(struct job *job)
{
	char sha256[CM_ARCHIVE_SHA256_SIZE];
	struct cm_archive_totals totals;

	job->writer = cm_archive_create(&job->target, "relay", job->config->mail_domain, &job->err);
	if (job->writer == NULL ||
	    !cm_relay_files_each(job->config, pack_relay_file, job, &job->err) || !pack_mail(job)) {
		cm_archive_abandon(&job->writer);
		return cm_command_fail(PROGRAM, &job->err);
	}
	totals = *cm_archive_totals(job->writer);
	if (!cm_archive_finish(&job->writer, sha256, &job->err))
		return cm_command_fail(PROGRAM, &job->err);
	print_result(job, &totals, sha256);
	return CM_EXIT_OK;
}

int cm_command_backup(int argc, char **argv)
{
	struct job job = {.config_path = CM_CONFIG_DEFAULT_PATH};
	int status = parse_options(argc, argv, &job);

	if (status >= 0)
		return status;
	job.config = cm_command_read_config(PROGRAM, job.config_path, &job.err);
	status = job.config != NULL ? run(&job) : cm_command_fail(PROGRAM, &job.err);
	cm_config_free(&job.config);
	return status;
}
