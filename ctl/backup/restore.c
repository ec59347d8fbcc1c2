/*
 * restore - chatmailctl restore: restore a relay from a backup
 *
 * SYNOPSIS
 *
 *	chatmailctl restore [--root DIR] [--identity FILE] [--allow DIR]... [--json] FILE|-
 *	chatmailctl restore --verify [--identity FILE] [--json] FILE|-
 *
 * No file gets its name before the whole archive was read and has proved valid. Until then the
 * mailboxes are in a separate directory (mailbox_unpack.h), and the few other files in memory;
 * chatmail.ini comes last, because no service starts without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "archive_option.h"
#include "archive_reader.h"
#include "command.h"
#include "directory.h"
#include "file.h"
#include "invitation.h"
#include "json_print.h"
#include "mailbox_unpack.h"
#include "options.h"
#include "owner.h"
#include "push_queue.h"
#include "relay_files.h"
#include "restore_files.h"

#define PROGRAM "chatmailctl restore"

/* In mailboxes_dir. */
#define STAGE ".restoring"

#define ALLOW_MAX 16

struct job {
	const char *root, *identity, *path;
	bool verify, json;
	const char *allowed[ALLOW_MAX + 1];
	size_t allowed_count;
	struct cm_archive_reader *reader;
	struct cm_restore_files files;
	struct cm_config *config;
	char *mailboxes_dir; /* below root */
	int mailboxes_fd;
	struct cm_mailbox_unpack *unpack;
	uint64_t accounts, incomplete;
	struct cm_error err;
};

static bool add_allowed(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct job *job = option->value;

	if (job->allowed_count == ALLOW_MAX) {
		cm_error_set(err, "given more than %d times", ALLOW_MAX);
		return false;
	}
	if (text[0] != '/' || text[strlen(text) - 1] == '/') {
		cm_error_set(err, "must be an absolute path without a slash at its end");
		return false;
	}
	job->allowed[job->allowed_count++] = text;
	return true;
}

static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    CM_OPTION_ROOT(&job->root),
	    CM_OPTION_IDENTITY(&job->identity),
	    {"verify", 0, NULL, "read the whole archive and write nothing", cm_option_switch,
	     &job->verify, 0, 0},
	    {"allow", 0, "DIR", "accept keys of the archive below DIR", add_allowed, job, 0, 0},
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = PROGRAM,
	    .synopsis = "[OPTION]... FILE|-",
	    .summary = "Restores a relay from an archive of chatmailctl backup, on a machine "
		       "without a relay.\nExisting files are not changed.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status < 0)
		job->path = words[0];
	return status;
}

static bool out_of_memory(struct job *job)
{
	cm_error_set(&job->err, "out of memory");
	return false;
}

/* --- Before the first mailbox --------------------------------------------------------------- */

/* Reads the archive's chatmail.ini. */
static bool load_config(struct job *job)
{
	const struct cm_restore_file *ini = cm_restore_files_find(&job->files, CM_RELAY_INI);

	if (ini == NULL) {
		cm_error_set(&job->err, "the archive has no chatmail.ini");
		return false;
	}
	job->config = cm_command_read_config_text(NULL, ini->data, ini->length, &job->err);
	return job->config != NULL;
}

/* Creates a missing directory and gives it to vmail; its parents belong to root. */
static bool make_mailboxes_dir(struct job *job)
{
	const struct passwd *vmail = getpwnam("vmail");
	char *slash, *parent = strdup(job->mailboxes_dir);
	struct stat st;
	bool good;

	if (parent == NULL)
		return out_of_memory(job);
	if (stat(job->mailboxes_dir, &st) == 0) {
		free(parent);
		return true;
	}
	slash = strrchr(parent, '/');
	*slash = '\0';
	/* The same as `chatmailctl init`: users who may read mailboxes must be able to reach
	   them. */
	good = cm_file_make_directories(parent, 0755) && mkdir(job->mailboxes_dir, 0700) == 0;
	if (good && geteuid() == 0 && vmail != NULL)
		good = lchown(job->mailboxes_dir, vmail->pw_uid, vmail->pw_gid) == 0;
	if (!good)
		cm_error_set_errno(&job->err, "%s: cannot be created", job->mailboxes_dir);
	if (good && vmail == NULL)
		fputs(PROGRAM ": warning: user vmail does not exist: change the mailboxes' owner\n",
		      stderr);
	free(parent);
	return good;
}

/* Running programs may have created their own, empty directories. */
static bool is_empty(int mailboxes_fd)
{
	DIR *directory = cm_directory_stream(cm_directory_open(mailboxes_fd, "."));
	const struct dirent *entry;
	bool empty = directory != NULL;

	while (empty && (entry = readdir(directory)) != NULL)
		empty = cm_directory_is_dot(entry->d_name) || strcmp(entry->d_name, STAGE) == 0 ||
			strcmp(entry->d_name, CM_INVITATION_DIR) == 0 ||
			strcmp(entry->d_name, CM_PUSH_QUEUE_DIR) == 0 ||
			strcmp(entry->d_name, CM_ACCOUNT_TRASH_DIR) == 0;
	if (directory != NULL)
		closedir(directory);
	return empty;
}

static bool open_mailboxes(struct job *job)
{
	if (asprintf(&job->mailboxes_dir, "%s%s", job->root, job->config->mailboxes_dir) < 0) {
		job->mailboxes_dir = NULL;
		return out_of_memory(job);
	}
	if (!make_mailboxes_dir(job) || !cm_owner_become(job->mailboxes_dir, &job->err))
		return false;
	job->mailboxes_fd = open(job->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job->mailboxes_fd < 0)
		cm_error_set_errno(&job->err, "%s: cannot be opened", job->mailboxes_dir);
	else if (!is_empty(job->mailboxes_fd))
		cm_error_set(&job->err,
			     "%s: not empty: nothing was changed; move it away and run this again",
			     job->mailboxes_dir);
	else
		job->unpack = cm_mailbox_unpack_begin(job->mailboxes_fd, STAGE, &job->err);
	return job->unpack != NULL;
}

/* Finds every possible error before any file is created. */
static bool prepare(struct job *job)
{
	if (job->config != NULL)
		return true;
	if (!load_config(job) ||
	    !cm_restore_files_place(&job->files, job->config, job->root, job->allowed, &job->err))
		return false;
	if (job->verify)
		return true;
	return cm_restore_files_check(&job->files, &job->err) && open_mailboxes(job);
}

/* --- Entries -------------------------------------------------------------------------------- */

/* An account of this relay, or one of the two other directories. */
static bool good_top(const struct job *job, const char *name, size_t length)
{
	static const char *const others[] = {CM_INVITATION_DIR, CM_PUSH_QUEUE_DIR};
	struct cm_address address;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strlen(others[i]) == length && memcmp(others[i], name, length) == 0)
			return true;
	return cm_address_parse(name, length, &address) &&
	       memcmp(address.text, name, length) == 0 &&
	       cm_account_is_local(job->config, &address);
}

static bool take_mail(struct job *job, const struct cm_archive_entry *entry)
{
	const char *path = entry->name + strlen(CM_ARCHIVE_MAIL);
	size_t length = strcspn(path, "/");

	if (!prepare(job))
		return false;
	if (!good_top(job, path, length) || (path[length] == '\0' && !entry->directory)) {
		cm_error_set(&job->err, "%s: unexpected in the archive of a relay", entry->name);
		return false;
	}
	return job->verify ||
	       cm_mailbox_unpack_entry(job->unpack, job->reader, entry, path, &job->err);
}

static bool take_relay_file(struct job *job, const struct cm_archive_entry *entry)
{
	if (job->config == NULL)
		return cm_restore_files_add(&job->files, job->reader, entry, &job->err);
	cm_error_set(&job->err, "%s: must come before the mailboxes", entry->name);
	return false;
}

static bool take_entry(const struct cm_archive_entry *entry, void *context)
{
	struct job *job = context;

	if (strncmp(entry->name, CM_ARCHIVE_MAIL, strlen(CM_ARCHIVE_MAIL)) == 0)
		return take_mail(job, entry);
	if (strncmp(entry->name, CM_ARCHIVE_RELAY, strlen(CM_ARCHIVE_RELAY)) == 0 &&
	    !entry->directory)
		return take_relay_file(job, entry);
	cm_error_set(&job->err, "%s: unknown in an archive of a relay", entry->name);
	return false;
}

/* --- The end -------------------------------------------------------------------------------- */

/* Skips an account that was being deleted during the backup. */
static bool place_mailbox(struct job *job, const char *name)
{
	bool account = strchr(name, '@') != NULL;

	if (account && !cm_account_has_password(cm_mailbox_unpack_fd(job->unpack), name)) {
		job->incomplete++;
		return true;
	}
	if (!cm_mailbox_unpack_place(job->unpack, name)) {
		cm_error_set_errno(&job->err, "%s: cannot be moved to mailboxes_dir", name);
		return false;
	}
	job->accounts += account;
	return true;
}

static bool place_mailboxes(struct job *job)
{
	DIR *directory =
	    cm_directory_stream(cm_directory_open(cm_mailbox_unpack_fd(job->unpack), "."));
	const struct dirent *entry;
	bool good = directory != NULL && cm_mailbox_unpack_sync(job->unpack, &job->err);

	if (directory == NULL)
		cm_error_set_errno(&job->err, STAGE " in mailboxes_dir: cannot be read");
	while (good && (entry = readdir(directory)) != NULL)
		if (!cm_directory_is_dot(entry->d_name))
			good = place_mailbox(job, entry->d_name);
	if (directory != NULL)
		closedir(directory);
	if (good && fsync(job->mailboxes_fd) < 0 && errno != EINVAL) {
		cm_error_set_errno(&job->err, "%s: cannot be written", job->mailboxes_dir);
		good = false;
	}
	return good;
}

/* What may fail on a full disk comes first: the mailboxes need only renames, and until they are in
   place the run can be repeated. */
static bool finish(struct job *job)
{
	bool good;

	cm_owner_return();
	good = cm_restore_files_write(&job->files, false, &job->err) &&
	       cm_owner_become(job->mailboxes_dir, &job->err) && place_mailboxes(job);
	cm_mailbox_unpack_end(&job->unpack);
	cm_owner_return();
	return good && cm_restore_files_write(&job->files, true, &job->err);
}

static int print_result(struct job *job)
{
	const struct cm_archive_totals *totals = cm_archive_read_totals(job->reader);
	uint64_t accounts = job->verify ? totals->accounts : job->accounts;
	json_t *json;

	if (!job->json) {
		printf("%s%" PRIu64 " accounts, %" PRIu64 " messages, %" PRIu64 " bytes of %s\n",
		       job->verify ? "whole and undamaged: " : "", accounts, totals->messages,
		       totals->bytes, cm_archive_about(job->reader)->domain);
		if (!job->verify)
			cm_restore_files_print(&job->files);
		if (!job->verify)
			puts("\nNow run chatmailctl config apply, and start the services.");
		return CM_EXIT_OK;
	}
	json = json_pack("{s:s, s:I, s:I, s:I, s:I}", "mail_domain",
			 cm_archive_about(job->reader)->domain, "created",
			 (json_int_t)cm_archive_about(job->reader)->created, "accounts",
			 (json_int_t)accounts, "messages", (json_int_t)totals->messages, "bytes",
			 (json_int_t)totals->bytes);
	return cm_json_print(json, &job->err) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
}

static int run(struct job *job)
{
	job->reader = cm_archive_open(job->path, job->identity, &job->err);
	if (job->reader == NULL)
		return CM_EXIT_TROUBLE;
	if (!cm_archive_about(job->reader)->relay) {
		cm_error_set(&job->err,
			     "%s: contains one account only: see chatmailctl user import",
			     job->path);
		return CM_EXIT_TROUBLE;
	}
	if (!cm_archive_each(job->reader, take_entry, job, &job->err) || !prepare(job) ||
	    (!job->verify && !finish(job)))
		return CM_EXIT_TROUBLE;
	return print_result(job);
}

int cm_command_restore(int argc, char **argv)
{
	struct job job = {.root = "", .mailboxes_fd = -1};
	int status = parse_options(argc, argv, &job);

	if (status >= 0)
		return status;
	status = run(&job);
	cm_mailbox_unpack_end(&job.unpack);
	cm_owner_return();
	if (status != CM_EXIT_OK)
		(void)cm_command_fail(PROGRAM, &job.err);
	if (job.mailboxes_fd >= 0)
		close(job.mailboxes_fd);
	cm_archive_close(&job.reader);
	cm_restore_files_free(&job.files);
	cm_config_free(&job.config);
	free(job.mailboxes_dir);
	return status;
}
