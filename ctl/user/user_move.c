/*
 * user_move - chatmailctl user move: move an account to another backend
 *
 * SYNOPSIS
 *
 *	chatmailctl user move [OPTION]... ADDRESS BACKEND
 *
 * Runs on a front and works on the backends by ssh. Most of the mail is copied while the account
 * is in use. Then the front refuses logins and holds mail back, the sessions end, and the rest is
 * copied, with the password and the other files of the account. After that the front uses the new
 * backend. Deliveries to the old one may still be in progress, so the old mailbox is copied once
 * more when all of them have ended, and then deleted. An interrupted move can be repeated.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend_client.h"
#include "backends.h"
#include "command.h"
#include "deliveries.h"
#include "options.h"
#include "owner.h"
#include "process.h"
#include "user.h"
#include "user_job.h"

/* Words of --rsh. */
#define RSH_WORDS_MAX 32

/* Maximum number of runs of dsync, which must be repeated if the mailbox changes meanwhile. */
#define DSYNC_ATTEMPTS 5
#define DSYNC_AGAIN    2

/* Bytes without a meaning for a shell. */
#define ADDRESS_BYTES "abcdefghijklmnopqrstuvwxyz0123456789.-_@[]:+="

struct move {
	struct cm_user_job job;
	const char *rsh;
	struct cm_address address;
	char from[CM_BACKEND_HOST_SIZE], to[CM_BACKEND_HOST_SIZE];
};

static bool note(struct move *move, const char *host)
{
	bool good = cm_owner_become(move->job.config->mailboxes_dir, &move->job.err) &&
		    cm_backends_note(move->job.config, &move->address, host, &move->job.err);

	cm_owner_return();
	return good;
}

/* --- On a backend --------------------------------------------------------------------------- */

/* Runs a shell command on a host, with input as its standard input unless that is NULL. */
static bool remote(struct move *move, const char *host, const char *input, const char *command,
		   struct cm_process_result *result_r)
{
	const char *argv[RSH_WORDS_MAX + 8] = {"sh", "-c", "file=$1; shift; exec \"$@\" <\"$file\"",
					       "sh", input != NULL ? input : "/dev/null"};
	char *words = strdup(move->rsh), *rest;
	size_t count = 5;
	bool good = words != NULL;

	for (char *word = good ? strtok_r(words, " ", &rest) : NULL;
	     word != NULL && count < RSH_WORDS_MAX; word = strtok_r(NULL, " ", &rest))
		argv[count++] = word;
	argv[count++] = host;
	argv[count++] = command;
	if (good)
		good = cm_process_run(argv, false, result_r, &move->job.err);
	else
		cm_error_set(&move->job.err, "out of memory");
	free(words);
	return good;
}

/* The same for a command from a format, whose output is ignored. Returns the exit status,
   or -1 with err filled. */
static int remote_status(struct move *move, const char *host, const char *input, const char *format,
			 ...) __attribute__((format(printf, 4, 5)));

static int remote_status(struct move *move, const char *host, const char *input, const char *format,
			 ...)
{
	struct cm_process_result result = {0};
	va_list arguments;
	char *command;
	int status = -1, length;

	va_start(arguments, format);
	length = vasprintf(&command, format, arguments);
	va_end(arguments);
	if (length < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return -1;
	}
	if (remote(move, host, input, command, &result))
		status = result.status;
	free(result.output);
	free(command);
	return status;
}

static bool failed(struct move *move, const char *host, const char *what, int status)
{
	if (status >= 0)
		cm_error_set(&move->job.err, "backend %s: %s: failed with exit status %d", host,
			     what, status);
	return false;
}

/* dsync copies the mail from the old backend; with merge, only new mail. */
static bool copy_mail(struct move *move, bool merge)
{
	bool ipv6 = strchr(move->from, ':') != NULL;
	int status = DSYNC_AGAIN;

	for (int i = 0; i < DSYNC_ATTEMPTS && status == DSYNC_AGAIN; i++)
		status =
		    remote_status(move, move->to, NULL, "doveadm %s -R -u '%s' 'tcp:%s%s%s:%d'",
				  merge ? "sync -1" : "backup", move->address.text, ipv6 ? "[" : "",
				  move->from, ipv6 ? "]" : "", CM_BACKEND_DSYNC_PORT);
	return status == 0 || failed(move, move->to, "doveadm", status);
}

/* Writes the output to a file below mailboxes_dir. Returns its path, malloc'd; NULL with err
   filled. */
static char *keep(struct move *move, const struct cm_process_result *result)
{
	char *path;
	ssize_t written = -1;
	int fd;

	if (asprintf(&path, "%s/" CM_BACKENDS_MAP_DIR "/.transfer-XXXXXX",
		     move->job.config->mailboxes_dir) < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return NULL;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		written = write(fd, result->output, result->length);
		close(fd);
	}
	if (written == (ssize_t)result->length)
		return path;
	cm_error_set_errno(&move->job.err, "%s: cannot be written", path);
	if (fd >= 0)
		unlink(path);
	free(path);
	return NULL;
}

/* Copies password, flags and push tokens, with their times. */
static bool copy_files(struct move *move)
{
	const char *directory = move->job.config->mailboxes_dir, *address = move->address.text;
	struct cm_process_result result = {0};
	char *command, *path = NULL;
	int status = -1;

	if (asprintf(&command,
		     "cd '%s/%s' && tar -cf - $(ls -d " CM_ACCOUNT_PASSWORD_FILE
		     " " CM_ACCOUNT_ENFORCE_FILE " " CM_ACCOUNT_BLOCKED_FILE
		     " " CM_ACCOUNT_METADATA_FILE " 2>/dev/null)",
		     directory, address) < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return false;
	}
	if (remote(move, move->from, NULL, command, &result)) {
		if (result.status == 0)
			path = keep(move, &result);
		else
			(void)failed(move, move->from, "tar", result.status);
	}
	if (path != NULL) {
		status = remote_status(move, move->to, path,
				       "umask 077 && mkdir -p '%s/%s' && cd '%s/%s' && "
				       "tar -xpf - && chown -R vmail:vmail .",
				       directory, address, directory, address);
		unlink(path);
		if (status != 0)
			(void)failed(move, move->to, "tar", status);
	}
	if (result.output != NULL)
		explicit_bzero(result.output, result.length);
	free(result.output);
	free(command);
	free(path);
	return status == 0;
}

/* --- The steps ------------------------------------------------------------------------------ */

/* From here on logins are refused. */
static bool hand_over(struct move *move)
{
	char moving[CM_BACKEND_HOST_SIZE + 1];
	struct cm_error err;

	snprintf(moving, sizeof(moving), "%c%s", CM_BACKENDS_MOVING, move->from);
	if (!note(move, moving))
		return false;
	(void)remote_status(move, move->from, NULL, "doveadm kick '%s'", move->address.text);
	if (copy_mail(move, false) && copy_files(move) && note(move, move->to))
		return true;
	/* Restores the old state; the next run finds and completes the copy. */
	err = move->job.err;
	(void)note(move, move->from);
	move->job.err = err;
	return false;
}

static bool ranks_first(const struct move *move)
{
	char(*hosts)[CM_BACKEND_HOST_SIZE] = calloc(CM_BACKENDS_MAX, sizeof(*hosts));
	int best = -1;
	bool first = hosts != NULL &&
		     cm_backend_list_rank(move->job.config->backends, move->address.text, hosts,
					  CM_BACKENDS_MAX, &best) > 0 &&
		     best == 0 && strcmp(hosts[0], move->to) == 0;

	free(hosts);
	return first;
}

static bool clean_up(struct move *move)
{
	int status;

	if (!cm_deliveries_wait(move->job.config->mail_domain, &move->job.err) ||
	    !copy_mail(move, true))
		return false;
	status = remote_status(move, move->from, NULL, "chatmailctl user delete --yes '%s'",
			       move->address.text);
	if (status != 0)
		return failed(move, move->from, "chatmailctl user delete", status);
	/* If the hash selects this backend, no record is needed. */
	return !ranks_first(move) || note(move, NULL);
}

static bool run_move(struct move *move)
{
	/* There will be two copies: this one counts. */
	return note(move, move->from) && copy_files(move) && copy_mail(move, false) &&
	       hand_over(move) && clean_up(move);
}

/* Another backend that has the account, too: the remains of a move that was interrupted at its
   end. */
static bool find_remains(struct move *move)
{
	const char *list = move->job.config->backends;
	struct cm_error err;

	while (*(list += strspn(list, " \t,-")) != '\0') {
		size_t length = strcspn(list, " \t,");

		snprintf(move->from, sizeof(move->from), "%.*s", (int)length, list);
		if (strcmp(move->from, move->to) != 0 &&
		    cm_backend_has(move->from, move->address.text, &err) == CM_ACCOUNT_OK)
			return true;
		list += length;
	}
	return false;
}

static bool knows_backend(const struct cm_config *config, const char *host)
{
	const char *found = strstr(config->backends, host);
	size_t length = strlen(host);

	for (; found != NULL; found = strstr(found + 1, host))
		if ((found == config->backends || strchr(" \t,-", found[-1]) != NULL) &&
		    (found[length] == '\0' || strchr(" \t,", found[length]) != NULL))
			return true;
	return false;
}

static int move_account(struct move *move, const char *word, const char *backend)
{
	enum cm_account_status status;
	struct cm_error *err = &move->job.err;

	if (!cm_user_address(&move->job, word, &move->address))
		return CM_EXIT_TROUBLE;
	if (move->address.text[strspn(move->address.text, ADDRESS_BYTES)] != '\0') {
		cm_error_set(err, "%s: contains characters that no account's address contains",
			     word);
		return CM_EXIT_TROUBLE;
	}
	if (!knows_backend(move->job.config, backend)) {
		cm_error_set(err, "%s: not in backends of %s", backend, move->job.config_path);
		return CM_EXIT_TROUBLE;
	}
	snprintf(move->to, sizeof(move->to), "%s", backend);
	status = cm_backends_find(move->job.config, &move->address, move->from, err);
	/* After a killed run the account is still on its old backend. */
	if (status == CM_ACCOUNT_TROUBLE && move->from[0] != '\0')
		return run_move(move) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
	if (status != CM_ACCOUNT_OK)
		return cm_user_account_error(&move->job, &move->address, status);
	if (strcmp(move->from, move->to) != 0)
		return run_move(move) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
	if (find_remains(move))
		return clean_up(move) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
	return CM_EXIT_OK;
}

int cm_user_move(int argc, char **argv)
{
	struct move move = {.job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH},
			    .rsh = "ssh"};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&move.job.config_path),
	    {"rsh", 0, "COMMAND", "reach backends by COMMAND HOST instead of ssh", cm_option_text,
	     &move.rsh, 0, 0},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... ADDRESS BACKEND",
	    .summary = "Moves an account to another backend, on a front. Its user cannot log in "
		       "for some seconds;\nmail waits in the queue.",
	    .options = options,
	    .arguments_min = 2,
	    .arguments_max = 2,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	status = CM_EXIT_TROUBLE;
	move.job.config = cm_config_load(move.job.config_path, cm_command_warn,
					 (void *)move.job.program, &move.job.err);
	if (move.job.config != NULL && !cm_backends_used(move.job.config))
		cm_error_set(&move.job.err, "%s: backends is empty: this is not a front",
			     move.job.config_path);
	else if (move.job.config != NULL)
		status = move_account(&move, words[0], words[1]);
	return cm_user_end(&move.job, status);
}
