/*
 * user_transfer - chatmailctl user export, import
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive_option.h"
#include "archive_reader.h"
#include "command.h"
#include "directory.h"
#include "json_print.h"
#include "mailbox_pack.h"
#include "mailbox_unpack.h"
#include "options.h"
#include "owner.h"
#include "user.h"
#include "user_job.h"

/* In mailboxes_dir, for the account in it. */
#define STAGE ".importing"

static void print_transfer(struct cm_user_job *job, const char *address, uint64_t messages,
			   uint64_t bytes)
{
	if (job->json)
		(void)cm_json_print(json_pack("{s:s, s:I, s:I}", "address", address, "messages",
					      (json_int_t)messages, "bytes", (json_int_t)bytes),
				    &job->err);
	else
		printf("%s: %" PRIu64 " messages, %" PRIu64 " bytes\n", address, messages, bytes);
}

/* --- export --------------------------------------------------------------------------------- */

static bool pack(struct cm_user_job *job, struct cm_archive_writer *writer,
		 const struct cm_address *address)
{
	char name[sizeof(CM_ARCHIVE_MAIL) + CM_ADDRESS_MAX];
	int mailboxes = cm_user_open_mailboxes(job), fd = -1;
	bool good;

	if (mailboxes >= 0)
		fd = cm_directory_open(mailboxes, address->text);
	if (mailboxes >= 0 && fd < 0)
		cm_error_set_errno(&job->err, "%s: cannot be opened", address->text);
	snprintf(name, sizeof(name), CM_ARCHIVE_MAIL "%s", address->text);
	good = fd >= 0 && cm_mailbox_pack(writer, fd, name, &job->err);
	cm_archive_totals(writer)->accounts = 1;
	if (fd >= 0)
		close(fd);
	if (mailboxes >= 0)
		close(mailboxes);
	return good;
}

static int export(struct cm_user_job *job, const struct cm_archive_target *target, const char *word)
{
	char sha256[CM_ARCHIVE_SHA256_SIZE];
	struct cm_archive_writer *writer;
	struct cm_archive_totals totals;
	enum cm_account_status status;
	struct cm_address address;

	if (!cm_user_address(job, word, &address))
		return CM_EXIT_TROUBLE;
	status = cm_account_lookup(job->config, &address, &job->err);
	if (status != CM_ACCOUNT_OK && status != CM_ACCOUNT_BLOCKED)
		return cm_user_account_error(job, &address, status);
	/* The archive belongs to us, and nothing is written to the mailbox. */
	cm_owner_return();
	writer = cm_archive_create(target, "account", job->config->mail_domain, &job->err);
	if (writer == NULL)
		return CM_EXIT_TROUBLE;
	if (!pack(job, writer, &address)) {
		cm_archive_abandon(&writer);
		return CM_EXIT_TROUBLE;
	}
	totals = *cm_archive_totals(writer);
	if (!cm_archive_finish(&writer, sha256, &job->err))
		return CM_EXIT_TROUBLE;
	if (strcmp(target->path, "-") != 0)
		print_transfer(job, address.text, totals.messages, totals.bytes);
	return CM_EXIT_OK;
}

int cm_user_export(int argc, char **argv)
{
	struct cm_user_job job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH};
	struct cm_archive_target target = {.path = NULL};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    CM_OPTION_ENCRYPT(&target),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... ADDRESS FILE|-",
	    .summary = "Writes an account to an archive: mail, password, push tokens, time of the "
		       "last use.",
	    .options = options,
	    .arguments_min = 2,
	    .arguments_max = 2,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	status = cm_archive_option_path(&target, words[1], job.json, argv[0]);
	if (status >= 0)
		return status;
	status = cm_user_begin(&job) ? export(&job, &target, words[0]) : CM_EXIT_TROUBLE;
	return cm_user_end(&job, status);
}

/* --- import --------------------------------------------------------------------------------- */

struct import {
	struct cm_user_job job;
	const char *path, *identity;
	const char *account;             /* --account; NULL: there is only one */
	const char *as;                  /* --as; NULL: as in the archive */
	char source[CM_ADDRESS_MAX + 1]; /* the account in the archive; "" until it is found */
	struct cm_address address;       /* its new address */
	struct cm_archive_reader *reader;
	struct cm_mailbox_unpack *unpack;
	int mailboxes;
	uint64_t messages, bytes;
};

/* The first account in the archive, or the selected one, gets its new address here. */
static bool choose(struct import *import, const char *name)
{
	struct cm_user_job *job = &import->job;

	snprintf(import->source, sizeof(import->source), "%s", name);
	if (import->as != NULL)
		return cm_user_address(job, import->as, &import->address);
	if (!cm_address_parse(name, strlen(name), &import->address)) {
		cm_error_set(&job->err, "%s: not an address", name);
		return false;
	}
	if (cm_account_is_local(job->config, &import->address))
		return true;
	cm_error_set(&job->err, "%s: not of this relay's domain %s: name the new account with --as",
		     name, job->config->mail_domain);
	return false;
}

/* 1: use this entry; 0: skip it; -1: err is filled. */
static int is_wanted(struct import *import, const char *path)
{
	char top[CM_ADDRESS_MAX + 1];
	size_t length = strcspn(path, "/");

	if (length >= sizeof(top) || memchr(path, '@', length) == NULL)
		return 0;
	memcpy(top, path, length);
	top[length] = '\0';
	if (import->account != NULL && strcmp(top, import->account) != 0)
		return 0;
	if (import->source[0] == '\0')
		return choose(import, top) ? 1 : -1;
	if (strcmp(top, import->source) == 0)
		return 1;
	cm_error_set(&import->job.err, "%s: contains several accounts: name one with --account",
		     import->path);
	return -1;
}

static bool take_entry(const struct cm_archive_entry *entry, void *context)
{
	struct import *import = context;
	const char *path = entry->name + strlen(CM_ARCHIVE_MAIL);
	char target[CM_ARCHIVE_NAME_MAX + CM_ADDRESS_MAX + 2];
	int wanted;

	if (strncmp(entry->name, CM_ARCHIVE_MAIL, strlen(CM_ARCHIVE_MAIL)) != 0)
		return true;
	wanted = is_wanted(import, path);
	if (wanted <= 0)
		return wanted == 0;
	snprintf(target, sizeof(target), "%s%s", import->address.text, path + strcspn(path, "/"));
	import->bytes += entry->size;
	import->messages += !entry->directory &&
			    (strstr(target, "/cur/") != NULL || strstr(target, "/new/") != NULL);
	return cm_mailbox_unpack_entry(import->unpack, import->reader, entry, target,
				       &import->job.err);
}

static int place(struct import *import)
{
	struct cm_user_job *job = &import->job;

	if (import->source[0] == '\0') {
		cm_error_set(&job->err, "%s: does not contain the account", import->path);
		return CM_EXIT_NO;
	}
	if (!cm_account_has_password(cm_mailbox_unpack_fd(import->unpack), import->address.text)) {
		cm_error_set(&job->err, "%s: %s contains no password", import->path,
			     import->source);
		return CM_EXIT_NO;
	}
	if (!cm_mailbox_unpack_sync(import->unpack, &job->err))
		return CM_EXIT_TROUBLE;
	if (cm_mailbox_unpack_place(import->unpack, import->address.text)) {
		(void)fsync(import->mailboxes);
		print_transfer(job, import->address.text, import->messages, import->bytes);
		return CM_EXIT_OK;
	}
	if (errno == EEXIST || errno == ENOTEMPTY)
		return cm_user_account_error(job, &import->address, CM_ACCOUNT_EXISTS);
	cm_error_set_errno(&job->err, "%s: cannot be moved to mailboxes_dir", import->address.text);
	return CM_EXIT_TROUBLE;
}

/* The archive is opened with our own rights. */
static int run(struct import *import)
{
	struct cm_user_job *job = &import->job;

	import->reader = cm_archive_open(import->path, import->identity, &job->err);
	if (import->reader == NULL || !cm_user_begin(job))
		return CM_EXIT_TROUBLE;
	import->mailboxes = cm_user_open_mailboxes(job);
	if (import->mailboxes < 0)
		return CM_EXIT_TROUBLE;
	import->unpack = cm_mailbox_unpack_begin(import->mailboxes, STAGE, &job->err);
	if (import->unpack == NULL ||
	    !cm_archive_each(import->reader, take_entry, import, &job->err))
		return CM_EXIT_TROUBLE;
	return place(import);
}

int cm_user_import(int argc, char **argv)
{
	struct import import = {
	    .job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH},
	    .mailboxes = -1,
	};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&import.job.config_path),
	    {"account", 0, "ADDRESS", "import this account from an archive with several",
	     cm_option_text, &import.account, 0, 0},
	    {"as", 0, "ADDRESS", "the address of the new account", cm_option_text, &import.as, 0,
	     0},
	    CM_OPTION_IDENTITY(&import.identity),
	    CM_OPTION_JSON(&import.job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... FILE|-",
	    .summary = "Restores an account from an archive of chatmailctl user export, of this or "
		       "another relay, or\n"
		       "by chatmailctl backup.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	import.path = words[0];
	status = run(&import);
	cm_mailbox_unpack_end(&import.unpack);
	if (import.mailboxes >= 0)
		close(import.mailboxes);
	cm_archive_close(&import.reader);
	return cm_user_end(&import.job, status);
}
