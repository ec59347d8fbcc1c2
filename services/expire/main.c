/*
 * chatmail-expire - delete old messages and unused accounts, and trim overfull mailboxes
 *
 * Run daily, see expire.h; with --quota Dovecot's quota_warning runs it for one mailbox, see
 * maildir_trim.h. Started as root, it becomes the owner of the mailboxes. See chatmail-expire(8).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "directory.h"
#include "expire.h"
#include "log.h"
#include "maildir_trim.h"
#include "options.h"
#include "privileges.h"
#include "sandbox.h"
#include "summary.h"

#define PROGRAM "chatmail-expire"

#define EXIT_DONE    0
#define EXIT_REFUSED 1 /* nothing was deleted */
#define EXIT_TROUBLE 2

#define DEFAULT_MAX_SHARE 50

/* On a busy processor it gets about a tenth of the time, on an idle one all of it. */
#define NICE 10

/* For --quota; in bytes it fits into a uint64_t. */
#define MEGABYTES_MAX 1e9

struct command_line {
	const char *config_path;
	struct expire_options options;
	bool json;
	bool quota;
	uint64_t quota_bytes;
	const char *mailbox_dir; /* with quota */
};

static bool set_megabytes(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct command_line *line = option->value;
	char *end;
	double value = strtod(text, &end);

	if (*text >= '0' && *text <= '9' && text[strspn(text, "0123456789.")] == '\0' &&
	    *end == '\0' && value <= MEGABYTES_MAX) {
		line->quota = true;
		line->quota_bytes = (uint64_t)(value * (1 << 20));
		return true;
	}
	cm_error_set(err, "not a number like 350 or 3.5");
	return false;
}

static int check_combination(const struct command_line *line, char **words)
{
	if (line->quota && words[0] == NULL)
		return cm_options_complain(PROGRAM, "--quota MB needs one MAILBOXDIR");
	if (line->quota && (line->json || line->options.force))
		return cm_options_complain(PROGRAM,
					   "--quota does not work with --json and --force");
	if (!line->quota && words[0] != NULL)
		return cm_options_complain(PROGRAM, "unexpected argument: %s", words[0]);
	return -1;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse_command_line(int argc, char **argv, struct command_line *line)
{
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&line->config_path),
	    {"dry-run", 0, NULL, "delete nothing, only report", cm_option_switch,
	     &line->options.dry_run, 0, 0},
	    {"verbose", 'v', NULL, "name all deleted files and accounts", cm_option_switch,
	     &line->options.verbose, 0, 0},
	    {"json", 0, NULL, "print the summary as JSON", cm_option_switch, &line->json, 0, 0},
	    {"max-share", 0, "PERCENT",
	     "refuse to run if more of the accounts would be deleted at once (50)",
	     cm_option_number, &line->options.max_share, 0, 100},
	    {"force", 0, NULL, "run nevertheless", cm_option_switch, &line->options.force, 0, 0},
	    {"now", 0, "TIME", "act as if it were TIME (seconds since 1970)", cm_option_time,
	     &line->options.now, 0, 0},
	    {"quota", 0, "MB",
	     "delete the oldest messages of one mailbox until at most MB megabytes\n"
	     "remain, but none of the last 24 hours",
	     set_megabytes, line, 0, 0},
	    {.name = NULL},
	};
	const struct cm_command_line description = {
	    .program = PROGRAM,
	    .synopsis = "[OPTION]...\n"
			"--quota MB [OPTION]... MAILBOXDIR",
	    .summary = "Deletes old messages and inactive accounts by the rules of chatmail.ini.",
	    .options = options,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&description, argc, argv, &words);

	line->mailbox_dir = status < 0 ? words[0] : NULL;
	return status < 0 ? check_combination(line, words) : status;
}

/* Lowers the disk priority, but not to the idle class, which mq-deadline serves only after 10
   seconds on a server that is never idle. No effect if the I/O scheduler has no priorities. */
static void lower_priority(void)
{
	/* linux/ioprio.h: whose priority, and its class and level. */
	const int who_process = 1, class_best_effort = 2, lowest = 7, class_shift = 13;

	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)syscall(SYS_ioprio_set, who_process, 0, class_best_effort << class_shift | lowest);
}

/* Works in mailboxes as their owner, never as root. */
static bool become_owner(const char *directory, struct cm_error *err)
{
	const struct passwd *owner;
	struct stat st;
	char *name;
	bool good;

	if (geteuid() != 0)
		return true;
	if (stat(directory, &st) < 0) {
		cm_error_set_errno(err, "%s: cannot be examined", directory);
		return false;
	}
	if (st.st_uid == 0)
		return true;
	owner = getpwuid(st.st_uid);
	if (owner == NULL) {
		cm_error_set(err, "%s: belongs to user ID %ju, which has no name", directory,
			     (uintmax_t)st.st_uid);
		return false;
	}
	/* A copy: the next lookup may overwrite the result, and musl's does. */
	name = strdup(owner->pw_name);
	if (name == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	good = cm_privileges_drop(name, err);
	free(name);
	return good;
}

/* --- the daily run --- */

static int complain(const struct cm_error *err, int status)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return status;
}

static int run(const struct cm_config *config, const struct command_line *line)
{
	struct expire_result result;
	int64_t start = cm_clock_nanoseconds();
	enum expire_status status;
	struct cm_error err;
	bool went_through;
	double seconds;

	status = expire_run(config, &line->options, &result, &err);
	seconds = (double)(cm_clock_nanoseconds() - start) / 1e9;
	went_through = status == EXPIRE_DONE || result.troubles > 0;
	if (went_through || line->options.dry_run) {
		if (line->json)
			expire_print_json(&result, &line->options, status == EXPIRE_REFUSED,
					  seconds);
		else
			expire_print_text(&result, &line->options, seconds);
	}
	if (went_through && !line->options.dry_run)
		expire_count(config, &result, &line->options, seconds);
	if (status == EXPIRE_DONE)
		return EXIT_DONE;
	return complain(&err, status == EXPIRE_REFUSED ? EXIT_REFUSED : EXIT_TROUBLE);
}

/* config may be NULL. No network: expiry talks to no server. */
static bool confine(const struct cm_config *config, const char *mailboxes, struct cm_error *err)
{
	struct cm_sandbox sandbox = {.network = false};

	cm_sandbox_allow(&sandbox, config != NULL ? config->run_dir : NULL, CM_SANDBOX_WRITE);
	cm_sandbox_allow(&sandbox, mailboxes, CM_SANDBOX_WRITE);
	return cm_sandbox_enter(&sandbox, err);
}

static int run_main(const struct command_line *line)
{
	struct cm_error err;
	struct cm_config *config =
	    cm_config_load(line->config_path, cm_config_warn_log, NULL, &err);
	int status;

	if (config == NULL)
		return complain(&err, EXIT_TROUBLE);
	cm_log_show_addresses(config->log_addresses || line->options.verbose);
	lower_priority();
	if (become_owner(config->mailboxes_dir, &err) &&
	    confine(config, config->mailboxes_dir, &err))
		status = run(config, line);
	else
		status = complain(&err, EXIT_TROUBLE);
	cm_config_free(&config);
	return status;
}

/* --- one overfull mailbox --- */

static void list_trimmed(const char *directory, const char *name, void *context)
{
	const struct command_line *line = context;

	if (line->options.verbose)
		printf("delete message over quota %s/%s\n", directory, name);
}

static bool trim(int fd, struct command_line *line, const struct cm_config *config,
		 struct cm_error *err)
{
	struct cm_maildir_trim_result result;
	const struct cm_maildir_trim order = {
	    .mailbox_fd = fd,
	    .target = line->quota_bytes,
	    .now = line->options.now,
	    .dry_run = line->options.dry_run,
	    .deleted = list_trimmed,
	    .context = line,
	};
	bool good = cm_maildir_trim(&order, &result, err);

	if (result.messages > 0 && !line->options.dry_run) {
		expire_count_trim(config, &result);
		good = cm_maildir_recount(fd, good ? err : NULL) && good;
	}
	if (line->options.verbose || line->options.dry_run)
		printf("%s %" PRIu64 " messages (%.1f MB)\n",
		       line->options.dry_run ? "Would delete" : "Deleted", result.messages,
		       (double)result.bytes / 1e6);
	return good;
}

/* The configuration is needed only for the statistics. */
static int quota_main(struct command_line *line)
{
	struct cm_config *config;
	struct cm_error err;
	int fd, status = EXIT_DONE;

	if (!become_owner(line->mailbox_dir, &err))
		return complain(&err, EXIT_TROUBLE);
	fd = cm_directory_open(AT_FDCWD, line->mailbox_dir);
	if (fd < 0) {
		cm_error_set_errno(&err, "mailbox %s: cannot be opened",
				   cm_log_address(line->mailbox_dir));
		return complain(&err, EXIT_TROUBLE);
	}
	config = cm_config_load(line->config_path, NULL, NULL, NULL);
	if (!confine(config, line->mailbox_dir, &err) || !trim(fd, line, config, &err))
		status = complain(&err, EXIT_TROUBLE);
	cm_config_free(&config);
	close(fd);
	return status;
}

/* Dovecot's quota_warning names the configuration of its relay in the environment. */
static const char *default_config_path(void)
{
	const char *path = getenv(CM_CONFIG_ENVIRONMENT);

	return path != NULL && *path != '\0' ? path : CM_CONFIG_DEFAULT_PATH;
}

int main(int argc, char **argv)
{
	struct command_line line = {
	    .config_path = default_config_path(),
	    .options = {.max_share = DEFAULT_MAX_SHARE, .now = time(NULL)},
	};
	int status = parse_command_line(argc, argv, &line);

	if (status >= 0)
		return status;
	cm_log_init(PROGRAM, CM_LOG_STDERR);
	cm_log_show_addresses(line.options.verbose);
	status = line.quota ? quota_main(&line) : run_main(&line);
	return cm_options_flush(PROGRAM, status);
}
