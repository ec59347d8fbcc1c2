/*
 * user_move - chatmailctl user move: move an account to another backend
 *
 * SYNOPSIS
 *
 *	chatmailctl user move [OPTION]... ADDRESS BACKEND
 *
 * Runs on a front and works on the backends by ssh. The new copy is blocked until it is complete
 * (see backends.h). Most of the mail is copied while the account is in use. Then the old copy is
 * blocked, the sessions end, and the rest is copied, with the password and the other files of the
 * account. When the fronts have recorded the new backend, the new copy is released, and the old one
 * is deleted. At each moment at most one copy can be used, whatever a front knows. An interrupted
 * move can be repeated.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json_print.h"
#include "move_copy.h"
#include "options.h"
#include "owner.h"
#include "user.h"

/* Bytes without a meaning for a shell. */
#define ADDRESS_BYTES "abcdefghijklmnopqrstuvwxyz0123456789.-_@[]:+="

static bool ranks_first(const struct cm_move *move)
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

/* The next address of a list; false at its end. */
static bool next_host(const char **list, char host_r[CM_BACKEND_HOST_SIZE])
{
	size_t length;

	*list += strspn(*list, " \t,-");
	length = strcspn(*list, " \t,");
	snprintf(host_r, CM_BACKEND_HOST_SIZE, "%.*s", (int)length, *list);
	*list += length;
	return length > 0;
}

static bool note(struct cm_move *move, const char *host)
{
	bool good = cm_owner_become(move->job.config->mailboxes_dir, &move->job.err) &&
		    cm_backends_note(move->job.config, &move->address, host, &move->job.err);

	cm_owner_return();
	return good;
}

/* Records the new backend on each front; if the hash selects it, no record is needed. */
static bool record(struct cm_move *move)
{
	const char *target = ranks_first(move) ? NULL : move->to;
	const char *fronts = move->job.config->fronts;
	char front[CM_BACKEND_HOST_SIZE];
	bool good = note(move, target);

	while (good && next_host(&fronts, front))
		good = cm_move_link(move, front, target);
	return good;
}

/* From here on the account cannot be used, until it is released on its new backend. */
static bool hand_over(struct cm_move *move)
{
	struct cm_error err;

	if (cm_move_block(move) && cm_move_mail(move) && cm_move_files(move) && record(move))
		return cm_move_link(move, move->to, NULL);
	/* Restores the old state; the next run finds and completes the copy. */
	err = move->job.err;
	(void)cm_move_link(move, move->from, NULL);
	move->job.err = err;
	return false;
}

static bool run_move(struct cm_move *move)
{
	char arriving[CM_BACKEND_HOST_SIZE + 1];

	snprintf(arriving, sizeof(arriving), "%c%s", CM_BACKENDS_ARRIVING, move->from);
	return note(move, move->from) && cm_move_link(move, move->to, arriving) &&
	       cm_move_files(move) && cm_move_mail(move) && hand_over(move) &&
	       cm_move_delete(move, move->from);
}

/* --- After an interrupted run --------------------------------------------------------------- */

/* Finds the copy that counts: the only one that is not blocked, otherwise the one that was left.
   False if no backend has either, or if a backend cannot be asked: then err is filled. */
static bool find_source(struct cm_move *move)
{
	const char *list = move->job.config->backends;
	char host[CM_BACKEND_HOST_SIZE];
	enum cm_move_copy copy, best = CM_MOVE_NO_COPY;

	while (next_host(&list, host)) {
		if (!cm_move_look(move, host, &copy))
			return false;
		if (copy > best && copy != CM_MOVE_ARRIVING) {
			best = copy;
			memcpy(move->from, host, sizeof(host));
		}
	}
	return best != CM_MOVE_NO_COPY;
}

static bool delete_blocked_copies(struct cm_move *move)
{
	const char *list = move->job.config->backends;
	char host[CM_BACKEND_HOST_SIZE];
	enum cm_move_copy copy;

	while (next_host(&list, host)) {
		if (strcmp(host, move->to) == 0)
			continue;
		if (!cm_move_look(move, host, &copy))
			return false;
		if ((copy == CM_MOVE_ARRIVING || copy == CM_MOVE_LEAVING) &&
		    !cm_move_delete(move, host))
			return false;
	}
	return true;
}

static bool resume(struct cm_move *move)
{
	bool good = find_source(move);

	if (good && strcmp(move->from, move->to) != 0)
		good = run_move(move);
	else if (good)
		good = record(move) && cm_move_link(move, move->to, NULL);
	return good && delete_blocked_copies(move);
}

/* --- The command ---------------------------------------------------------------------------- */

static bool knows_backend(const struct cm_config *config, const char *host)
{
	const char *list = config->backends;
	char known[CM_BACKEND_HOST_SIZE];

	while (next_host(&list, known))
		if (strcmp(known, host) == 0)
			return true;
	return false;
}

static int move_account(struct cm_move *move, const char *word, const char *backend)
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
	if (status == CM_ACCOUNT_OK && strcmp(move->from, move->to) != 0)
		return run_move(move) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
	if (status == CM_ACCOUNT_OK || status == CM_ACCOUNT_TROUBLE)
		return resume(move) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
	return cm_user_account_error(&move->job, &move->address, status);
}

int cm_user_move(int argc, char **argv)
{
	struct cm_move move = {.job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH},
			       .rsh = "ssh"};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&move.job.config_path),
	    {"rsh", 0, "COMMAND", "reach backends by COMMAND HOST instead of ssh", cm_option_text,
	     &move.rsh, 0, 0},
	    CM_OPTION_JSON(&move.job.json),
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
	move.job.config = cm_command_read_config(argv[0], move.job.config_path, &move.job.err);
	if (move.job.config != NULL && !cm_backends_used(move.job.config))
		cm_error_set(&move.job.err, "%s: backends is empty: this is not a front",
			     move.job.config_path);
	else if (move.job.config != NULL)
		status = move_account(&move, words[0], words[1]);
	if (status == CM_EXIT_OK && move.job.json &&
	    !cm_json_print(
		json_pack("{s:s, s:s}", "address", move.address.text, "backend", move.to),
		&move.job.err))
		status = CM_EXIT_TROUBLE;
	return cm_user_end(&move.job, status);
}
