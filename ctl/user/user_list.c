/*
 * user_list - chatmailctl user list, show
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "directory.h"
#include "json_print.h"
#include "maildir_walk.h"
#include "options.h"
#include "progress.h"
#include "tokens.h"
#include "user.h"
#include "user_job.h"

#define DAY 86400

/* "2026-11-25" */
#define DATE_SIZE 16

struct entry {
	char *address;
	time_t seen;
	bool blocked, takes_cleartext;
	uint64_t messages, bytes;
};

struct listing {
	struct cm_user_job job;
	bool blocked, sizes;
	unsigned int unused; /* days; 0: all */
	const char *pattern; /* NULL: all */
	struct entry *entries;
	size_t count, room;
	bool incomplete;
};

static bool count_file(const struct cm_maildir_file *file, uint64_t *bytes_r)
{
	struct stat st;
	time_t delivered;

	if (file->part != CM_MAILDIR_CUR && file->part != CM_MAILDIR_NEW)
		return false;
	if (cm_maildir_name_parse(file->name, &delivered, bytes_r))
		return true;
	if (!cm_maildir_file_stat(file, &st))
		return false;
	*bytes_r = (uint64_t)st.st_size;
	return true;
}

static void add_file(const struct cm_maildir_file *file, void *context)
{
	struct entry *entry = context;
	uint64_t bytes;

	if (!count_file(file, &bytes))
		return;
	entry->messages++;
	entry->bytes += bytes;
}

/* False if it is not an account; err is filled if it cannot be examined. */
static bool examine(int mailboxes, const char *name, bool sizes, struct entry *entry,
		    struct cm_error *err)
{
	int fd = cm_directory_open(mailboxes, name);
	struct stat st;
	bool good;

	err->text[0] = '\0';
	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			cm_error_set_errno(err, "%s: cannot be opened", name);
		return false;
	}
	good = fstatat(fd, CM_ACCOUNT_PASSWORD_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
	if (good) {
		entry->seen = st.st_mtime / DAY * DAY;
		entry->blocked = st.st_size == 0 || fstatat(fd, CM_ACCOUNT_BLOCKED_FILE, &st,
							    AT_SYMLINK_NOFOLLOW) == 0;
		entry->takes_cleartext =
		    fstatat(fd, CM_ACCOUNT_ENFORCE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0;
	}
	if (good && sizes)
		(void)cm_maildir_walk(fd, add_file, entry, err);
	close(fd);
	return good;
}

static bool wanted(const struct listing *listing, const struct entry *entry, const char *name,
		   time_t now)
{
	return (!listing->blocked || entry->blocked) &&
	       (listing->unused == 0 || now - entry->seen >= (time_t)listing->unused * DAY) &&
	       (listing->pattern == NULL || fnmatch(listing->pattern, name, 0) == 0);
}

static bool keep(struct listing *listing, const struct entry *entry, const char *name)
{
	if (listing->count == listing->room) {
		size_t room = listing->room == 0 ? 256 : listing->room * 2;
		struct entry *more = realloc(listing->entries, room * sizeof(*more));

		if (more == NULL)
			return false;
		listing->entries = more;
		listing->room = room;
	}
	listing->entries[listing->count] = *entry;
	listing->entries[listing->count].address = strdup(name);
	return listing->entries[listing->count++].address != NULL;
}

static bool gather(struct listing *listing)
{
	struct cm_user_job *job = &listing->job;
	struct cm_mailboxes *mailboxes = cm_mailboxes_open(job->config->mailboxes_dir, &job->err);
	struct cm_progress progress;
	const time_t now = time(NULL);
	const char *name;
	uint64_t done = 0;
	bool good = mailboxes != NULL;

	cm_progress_begin(&progress, "accounts", 0);
	while (good && (good = cm_mailboxes_next(mailboxes, &name, &job->err)) && name != NULL) {
		struct entry entry = {0};
		struct cm_error err;

		cm_progress_update(&progress, ++done);
		if (examine(cm_mailboxes_fd(mailboxes), name, listing->sizes, &entry, &err) &&
		    wanted(listing, &entry, name, now) && !keep(listing, &entry, name)) {
			cm_error_set(&job->err, "out of memory");
			good = false;
		}
		if (err.text[0] != '\0') {
			cm_progress_end(&progress);
			cm_command_warn(job->program, err.text);
			listing->incomplete = true;
		}
	}
	cm_progress_end(&progress);
	cm_mailboxes_close(&mailboxes);
	return good;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->address, ((const struct entry *)b)->address);
}

static void format_date(time_t day, char text[DATE_SIZE])
{
	struct tm tm;

	if (gmtime_r(&day, &tm) == NULL || strftime(text, DATE_SIZE, "%Y-%m-%d", &tm) == 0)
		snprintf(text, DATE_SIZE, "?");
}

static json_t *entry_json(const struct entry *entry, bool sizes)
{
	json_t *object = json_pack("{s:s, s:b, s:I}", "address", entry->address, "blocked",
				   entry->blocked, "last_seen", (json_int_t)entry->seen);

	if (object != NULL && sizes) {
		json_object_set_new(object, "messages", json_integer((json_int_t)entry->messages));
		json_object_set_new(object, "bytes", json_integer((json_int_t)entry->bytes));
	}
	return object;
}

static bool print_list_json(struct listing *listing)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < listing->count; i++)
		json_array_append_new(list, entry_json(&listing->entries[i], listing->sizes));
	return cm_json_print(list, &listing->job.err);
}

static void print_list(const struct listing *listing)
{
	char date[DATE_SIZE];

	for (size_t i = 0; i < listing->count; i++) {
		const struct entry *entry = &listing->entries[i];

		format_date(entry->seen, date);
		printf("%s  %-7s  ", date, entry->blocked ? "blocked" : "");
		if (listing->sizes)
			printf("%6" PRIu64 " messages  %10" PRIu64 " bytes  ", entry->messages,
			       entry->bytes);
		puts(entry->address);
	}
}

static void free_entries(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->entries[i].address);
	free(listing->entries);
}

int cm_user_list(int argc, char **argv)
{
	struct listing listing = {
	    .job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH}};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&listing.job.config_path),
	    {"blocked", 0, NULL, "only blocked accounts", cm_option_switch, &listing.blocked, 0, 0},
	    {"unused", 0, "DAYS", "only accounts not used for this number of days",
	     cm_option_number, &listing.unused, 1, 36500},
	    {"sizes", 0, NULL, "count messages and bytes, too", cm_option_switch, &listing.sizes, 0,
	     0},
	    CM_OPTION_JSON(&listing.job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... [PATTERN]",
	    .summary = "Lists the accounts, with the day of their last use. A PATTERN like 'a*' "
		       "selects accounts.",
	    .options = options,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	listing.pattern = words[0];
	status = CM_EXIT_TROUBLE;
	if (cm_user_begin(&listing.job) && gather(&listing)) {
		status = listing.incomplete ? CM_EXIT_TROUBLE : CM_EXIT_OK;
		qsort(listing.entries, listing.count, sizeof(*listing.entries), by_address);
		if (!listing.job.json)
			print_list(&listing);
		else if (!print_list_json(&listing))
			status = CM_EXIT_TROUBLE;
	}
	free_entries(&listing);
	return cm_user_end(&listing.job, status);
}

/* --- show ----------------------------------------------------------------------------------- */

struct details {
	struct entry entry;
	size_t tokens;
};

static bool count_tokens(struct cm_user_job *job, struct cm_address *address, size_t *count_r)
{
	char *path = cm_account_path(job->config, address);
	struct cm_tokens tokens = {0};
	bool good = path != NULL && cm_tokens_get(path, time(NULL), &tokens, &job->err);

	*count_r = tokens.count;
	cm_tokens_free(&tokens);
	free(path);
	return good;
}

static bool show_json(struct cm_user_job *job, const struct details *details)
{
	json_t *object = entry_json(&details->entry, true);

	if (object != NULL) {
		json_object_set_new(object, "quota",
				    json_integer((json_int_t)job->config->max_mailbox_size));
		json_object_set_new(object, "takes_cleartext",
				    json_boolean(details->entry.takes_cleartext));
		json_object_set_new(object, "push_tokens",
				    json_integer((json_int_t)details->tokens));
	}
	return cm_json_print(object, &job->err);
}

static void show_text(const struct cm_user_job *job, const struct details *details)
{
	char date[DATE_SIZE];

	format_date(details->entry.seen, date);
	printf("address      %s\n", details->entry.address);
	printf("state        %s\n", details->entry.blocked ? "blocked" : "active");
	printf("last used    %s\n", date);
	printf("messages     %" PRIu64 "\n", details->entry.messages);
	printf("bytes        %" PRIu64 " of %" PRIu64 "\n", details->entry.bytes,
	       job->config->max_mailbox_size);
	printf("cleartext    %s\n", details->entry.takes_cleartext ? "accepted" : "refused");
	printf("push tokens  %zu\n", details->tokens);
}

static int show(struct cm_user_job *job, const char *word)
{
	struct details details = {0};
	struct cm_address address;
	int mailboxes, status = CM_EXIT_TROUBLE;

	if (!cm_user_address(job, word, &address))
		return CM_EXIT_TROUBLE;
	mailboxes = cm_user_open_mailboxes(job);
	if (mailboxes < 0)
		return CM_EXIT_TROUBLE;
	details.entry.address = address.text;
	if (!examine(mailboxes, address.text, true, &details.entry, &job->err)) {
		if (job->err.text[0] == '\0')
			status = cm_user_account_error(job, &address, CM_ACCOUNT_ABSENT);
	} else if (job->err.text[0] == '\0' && count_tokens(job, &address, &details.tokens)) {
		status = CM_EXIT_OK;
		if (!job->json)
			show_text(job, &details);
		else if (!show_json(job, &details))
			status = CM_EXIT_TROUBLE;
	}
	close(mailboxes);
	return status;
}

int cm_user_show(int argc, char **argv)
{
	struct cm_user_job job = {.program = argv[0], .config_path = CM_CONFIG_DEFAULT_PATH};
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... ADDRESS",
	    .summary = "Shows an account. ADDRESS may be only the part before the @.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	status = cm_user_begin(&job) ? show(&job, words[0]) : CM_EXIT_TROUBLE;
	return cm_user_end(&job, status);
}
