/*
 * user_change - chatmailctl user block, unblock, password, delete
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "confirm.h"
#include "credentials.h"
#include "directory.h"
#include "file.h"
#include "json_print.h"
#include "options.h"
#include "tree_remove.h"
#include "user.h"
#include "user_job.h"

#define PASSWORD_SIZE 514

/* A delivery that began before the deletion may create the directory again. */
#define LEFTOVER_LOOKS   10
#define LEFTOVER_WAIT_MS 200

/* --- block, unblock ------------------------------------------------------------------------- */

static int set_blocked(struct cm_user_job *job, const char *word, bool blocked,
		       struct cm_address *address_r)
{
	enum cm_account_status status;

	if (!cm_user_address(job, word, address_r))
		return CM_EXIT_TROUBLE;
	status = cm_account_lookup(job->config, address_r, &job->err);
	if (status == CM_ACCOUNT_OK || status == CM_ACCOUNT_BLOCKED)
		status = cm_account_set_blocked(job->config, address_r, blocked, &job->err);
	if (status != CM_ACCOUNT_OK)
		return cm_user_account_error(job, address_r, status);
	if (!blocked && cm_account_lookup(job->config, address_r, &job->err) == CM_ACCOUNT_BLOCKED)
		fprintf(stderr, "%s: warning: %s: the password is empty: set one\n", job->program,
			address_r->text);
	return CM_EXIT_OK;
}

/* Reports job->err if status is a failure. Returns the worse of both statuses. */
static int worse(struct cm_user_job *job, int status, int worst)
{
	if (status != CM_EXIT_OK)
		(void)cm_command_fail(job->program, &job->err);
	return status > worst ? status : worst;
}

/* Accounts that a command has changed; the caller frees them. */
struct accounts {
	struct cm_address *addresses;
	size_t count;
};

/* Blocks or unblocks each account, and ends the sessions of all that it blocked. Returns the worst
   exit status. */
static int set_all_blocked(struct cm_user_job *job, char **words, bool blocked,
			   struct accounts *accounts_r)
{
	int worst = CM_EXIT_OK;
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	accounts_r->count = 0;
	accounts_r->addresses = calloc(count, sizeof(*accounts_r->addresses));
	if (accounts_r->addresses == NULL) {
		cm_error_set(&job->err, "out of memory");
		return worse(job, CM_EXIT_TROUBLE, worst);
	}
	for (; *words != NULL; words++) {
		int status =
		    set_blocked(job, *words, blocked, &accounts_r->addresses[accounts_r->count]);

		accounts_r->count += status == CM_EXIT_OK;
		worst = worse(job, status, worst);
	}
	if (blocked && accounts_r->count > 0)
		cm_user_end_sessions(job, accounts_r->addresses, accounts_r->count);
	return worst;
}

static bool print_blocked(const struct accounts *accounts, bool blocked, struct cm_error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < accounts->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:b}", "address",
						accounts->addresses[i].text, "blocked", blocked));
	return cm_json_print(list, err);
}

static int change_blocked(int argc, char **argv, bool blocked, const char *summary)
{
	struct cm_user_job job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[-c INI] [--json] ADDRESS...",
	    .summary = summary,
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = INT32_MAX,
	};
	struct accounts accounts;
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	if (!cm_user_begin(&job))
		return cm_user_end(&job, CM_EXIT_TROUBLE);
	status = set_all_blocked(&job, words, blocked, &accounts);
	job.err.text[0] = '\0';
	if (job.json && !print_blocked(&accounts, blocked, &job.err))
		status = CM_EXIT_TROUBLE;
	free(accounts.addresses);
	return cm_user_end(&job, status);
}

int cm_user_block(int argc, char **argv)
{
	return change_blocked(argc, argv, true,
			      "Ends the sessions of accounts and refuses their logins and new "
			      "mail for them. Expiry keeps\n"
			      "blocked accounts.");
}

int cm_user_unblock(int argc, char **argv)
{
	return change_blocked(argc, argv, false, "Undoes chatmailctl user block.");
}

/* --- password ------------------------------------------------------------------------------- */

static char *read_password(struct cm_user_job *job)
{
	char first[PASSWORD_SIZE], second[PASSWORD_SIZE], *password = NULL;
	const bool terminal = isatty(STDIN_FILENO) != 0;

	if (!cm_confirm_read_secret("New password: ", first, sizeof(first), &job->err))
		return NULL;
	if (strlen(first) < job->config->password_min_length)
		cm_error_set(&job->err, "a password must have at least %u characters",
			     job->config->password_min_length);
	else if (terminal && !cm_confirm_read_secret("Again: ", second, sizeof(second), &job->err))
		;
	else if (terminal && strcmp(first, second) != 0)
		cm_error_set(&job->err, "the passwords differ");
	else if ((password = strdup(first)) == NULL)
		cm_error_set(&job->err, "out of memory");
	explicit_bzero(first, sizeof(first));
	explicit_bzero(second, sizeof(second));
	return password;
}

static void print_password(struct cm_user_job *job, const struct cm_address *address,
			   const char *password)
{
	if (job->json)
		(void)cm_json_print(
		    json_pack("{s:s, s:s}", "address", address->text, "password", password),
		    &job->err);
	else
		puts(password);
}

static void wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static int set_password(struct cm_user_job *job, const char *word, bool invent, bool keep_sessions)
{
	char *password = NULL, *hash = NULL;
	struct cm_address address;
	enum cm_account_status status;

	if (!cm_user_address(job, word, &address))
		return CM_EXIT_TROUBLE;
	status = cm_account_lookup(job->config, &address, &job->err);
	if (status != CM_ACCOUNT_OK && status != CM_ACCOUNT_BLOCKED)
		return cm_user_account_error(job, &address, status);
	password = invent ? cm_credentials_password(job->config, &job->err) : read_password(job);
	if (password != NULL)
		hash = cm_password_hash(password, &job->err);
	status = CM_ACCOUNT_TROUBLE;
	if (hash != NULL)
		status = cm_account_set_password(job->config, &address, hash, &job->err);
	if (status == CM_ACCOUNT_OK && !keep_sessions)
		cm_user_end_sessions(job, &address, 1);
	if (status == CM_ACCOUNT_OK && invent)
		print_password(job, &address, password);
	wipe(password);
	wipe(hash);
	return status == CM_ACCOUNT_OK ? CM_EXIT_OK : cm_user_account_error(job, &address, status);
}

int cm_user_password(int argc, char **argv)
{
	struct cm_user_job job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH};
	bool invent = false, keep_sessions = false;
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    {"random", 0, NULL, "generate a password and print it", cm_option_switch, &invent, 0,
	     0},
	    {"keep-sessions", 0, NULL, "do not end the sessions of the account", cm_option_switch,
	     &keep_sessions, 0, 0},
	    {"json", 0, NULL, "print the generated password as JSON", cm_option_switch, &job.json,
	     0, 0},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... ADDRESS",
	    .summary = "Reads a new password from the terminal or the first line of standard "
		       "input, and ends the\n"
		       "sessions of the account.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	status = cm_user_begin(&job) ? set_password(&job, words[0], invent, keep_sessions)
				     : CM_EXIT_TROUBLE;
	return cm_user_end(&job, status);
}

/* --- delete --------------------------------------------------------------------------------- */

struct deletion {
	struct cm_user_job job;
	bool yes;
	int mailboxes, trash;
	json_t *deleted;
};

static bool open_trash(struct deletion *deletion)
{
	if (mkdirat(deletion->mailboxes, CM_ACCOUNT_TRASH_DIR, 0700) == 0 || errno == EEXIST)
		deletion->trash = cm_directory_open(deletion->mailboxes, CM_ACCOUNT_TRASH_DIR);
	if (deletion->trash < 0)
		cm_error_set_errno(&deletion->job.err,
				   CM_ACCOUNT_TRASH_DIR " in mailboxes_dir: cannot be opened");
	return deletion->trash >= 0;
}

/* Remains of an earlier run with this name are deleted first. */
static bool move_to_trash(struct deletion *deletion, const char *name)
{
	struct cm_tree tree = {0};

	if (renameat(deletion->mailboxes, name, deletion->trash, name) == 0)
		return true;
	return (errno == EEXIST || errno == ENOTEMPTY) &&
	       cm_tree_remove(deletion->trash, name, false, &tree, &deletion->job.err) &&
	       renameat(deletion->mailboxes, name, deletion->trash, name) == 0;
}

/* Moves the directory to the trash and deletes it. only_leftovers: not if it is an account.
   The lock prevents logins in between (see cm_account_seen()). */
static bool remove_mailbox(struct deletion *deletion, const char *name, bool only_leftovers,
			   struct cm_tree *tree)
{
	struct cm_error *err = &deletion->job.err;
	int fd = cm_directory_open(deletion->mailboxes, name);
	struct stat st;
	bool good = false;

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0) {
		cm_error_set_errno(err, "cannot open the mailbox");
		return false;
	}
	if (!cm_file_lock(fd, LOCK_EX)) {
		cm_error_set_errno(err, "cannot lock the mailbox");
	} else if (only_leftovers &&
		   fstatat(fd, CM_ACCOUNT_PASSWORD_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		close(fd);
		return true;
	} else if (!move_to_trash(deletion, name)) {
		cm_error_set_errno(err, "cannot move the mailbox");
	} else if (unlinkat(fd, CM_ACCOUNT_PASSWORD_FILE, 0) < 0 && errno != ENOENT) {
		cm_error_set_errno(err, "cannot delete the password");
	} else {
		good = true;
	}
	close(fd);
	return good && cm_tree_remove(deletion->trash, name, false, tree, err);
}

static int delete_one(struct deletion *deletion, const struct cm_address *address)
{
	struct cm_user_job *job = &deletion->job;
	enum cm_account_status status = cm_account_lookup(job->config, address, &job->err);
	struct cm_tree tree = {0};
	json_t *entry;

	/* Two arguments may name one account. */
	if (status == CM_ACCOUNT_ABSENT)
		return cm_user_account_error(job, address, status);
	if (!remove_mailbox(deletion, address->text, false, &tree))
		return cm_user_account_error(job, address, CM_ACCOUNT_TROUBLE);
	entry = json_pack("{s:s, s:I, s:I}", "address", address->text, "messages",
			  (json_int_t)tree.messages, "bytes", (json_int_t)tree.bytes);
	json_array_append_new(deletion->deleted, entry);
	if (!job->json)
		printf("deleted %s\n", address->text);
	return CM_EXIT_OK;
}

/* Removes directories that a delivery or an ending session created again. */
static int remove_leftovers(struct deletion *deletion)
{
	const struct timespec pause = {.tv_nsec = LEFTOVER_WAIT_MS * 1000000L};
	struct cm_tree tree = {0};
	size_t i;
	json_t *entry;

	for (int look = 0; look < LEFTOVER_LOOKS; look++) {
		nanosleep(&pause, NULL);
		json_array_foreach(deletion->deleted, i, entry)
		{
			const char *name = json_string_value(json_object_get(entry, "address"));

			if (!remove_mailbox(deletion, name, true, &tree)) {
				(void)cm_command_fail(deletion->job.program, &deletion->job.err);
				return CM_EXIT_TROUBLE;
			}
		}
	}
	return CM_EXIT_OK;
}

/* Blocks all accounts first: from then on no login succeeds and no delivery begins. */
static int delete_all(struct deletion *deletion, char **words)
{
	struct cm_user_job *job = &deletion->job;
	struct accounts accounts;
	int worst = set_all_blocked(job, words, true, &accounts);

	for (size_t i = 0; i < accounts.count; i++)
		worst = worse(job, delete_one(deletion, &accounts.addresses[i]), worst);
	free(accounts.addresses);
	if (json_array_size(deletion->deleted) > 0) {
		int status;

		fflush(stdout);
		status = remove_leftovers(deletion);
		if (status > worst)
			worst = status;
	}
	/* Remains of a killed run of expiry are left to the next one. */
	(void)unlinkat(deletion->mailboxes, CM_ACCOUNT_TRASH_DIR, AT_REMOVEDIR);
	if (job->json)
		(void)cm_json_print(json_incref(deletion->deleted), &job->err);
	job->err.text[0] = '\0';
	return worst;
}

static bool ask(struct deletion *deletion, char **words)
{
	char question[CM_ADDRESS_MAX + 64];
	int count = 0;

	while (words[count] != NULL)
		count++;
	if (count == 1)
		snprintf(question, sizeof(question), "Delete %.254s with all mail?", words[0]);
	else
		snprintf(question, sizeof(question), "Delete %d accounts with all mail?", count);
	return cm_confirm(deletion->yes, question, &deletion->job.err);
}

static int parse_delete(int argc, char **argv, struct deletion *deletion, char ***words_r)
{
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&deletion->job.config_path),
	    CM_OPTION_YES(&deletion->yes),
	    CM_OPTION_JSON(&deletion->job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... ADDRESS...",
	    .summary = "Ends the sessions of accounts and deletes them with all their mail. Where "
		       "registration is\nopen, a client that still has the account creates it "
		       "again at its next login: to exclude\na user, see chatmailctl user block.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = INT32_MAX,
	};

	return cm_options_parse(&line, argc, argv, words_r);
}

int cm_user_delete(int argc, char **argv)
{
	struct deletion deletion = {
	    .job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH},
	    .mailboxes = -1,
	    .trash = -1,
	};
	char **words;
	int status = parse_delete(argc, argv, &deletion, &words);

	if (status >= 0)
		return status;
	status = CM_EXIT_TROUBLE;
	deletion.deleted = json_array();
	if (cm_user_begin(&deletion.job) && ask(&deletion, words) &&
	    (deletion.mailboxes = cm_user_open_mailboxes(&deletion.job)) >= 0 &&
	    open_trash(&deletion))
		status = delete_all(&deletion, words);
	if (deletion.trash >= 0)
		close(deletion.trash);
	if (deletion.mailboxes >= 0)
		close(deletion.mailboxes);
	json_decref(deletion.deleted);
	return cm_user_end(&deletion.job, status);
}
