/*
 * chatmail-expire - delete what is old, and trim mailboxes that are too full
 *
 * SYNOPSIS
 *	chatmail-expire [-c INI] [--dry-run] [-v] [--force] [--max-share PERCENT] [--json]
 *	chatmail-expire --quota MB MAILBOXDIR
 *
 * The first form is run daily, see expire.h. The second is what Dovecot's quota_warning runs, see
 * maildir_trim.h. Started as root it becomes the owner of the mailboxes. chatmail-expire(8) is the
 *manual.
 *
 *	CHATMAIL_INI in the environment replaces the default of -c, so that Dovecot's quota_warning
 *	finds the configuration of its relay.
 *
 * DIAGNOSTICS
 *	Exit status 0: done. 1: refused, nothing was deleted. 2: trouble, told on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "expire.h"
#include "log.h"
#include "maildir_trim.h"
#include "maildir_walk.h"
#include "privileges.h"
#include "summary.h"

#define PROGRAM "chatmail-expire"

#define EXIT_DONE    0
#define EXIT_REFUSED 1
#define EXIT_TROUBLE 2

#define DEFAULT_MAX_SHARE 50

/* A tenth of a processor that others want, all of one that nobody wants. */
#define NICE 10

/* Of --quota; all its bytes are a uint64_t's and a double's to hold. */
#define MEGABYTES_MAX 1e9

struct command_line {
	const char *config_path;
	struct expire_options options;
	bool json;
	bool quota;
	uint64_t quota_bytes;
	const char *mailbox_dir; /* with quota */
};

enum long_option {
	OPTION_DRY_RUN = 256,
	OPTION_FORCE,
	OPTION_MAX_SHARE,
	OPTION_NOW,
	OPTION_QUOTA,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"verbose", no_argument, NULL, 'v'},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"max-share", required_argument, NULL, OPTION_MAX_SHARE},
    {"now", required_argument, NULL, OPTION_NOW},
    {"quota", required_argument, NULL, OPTION_QUOTA},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "usage: " PROGRAM " [-c INI] [--dry-run] [-v] [--json] [--force] [--max-share PERCENT]\n"
    "       " PROGRAM " --quota MB MAILBOXDIR\n"
    "\n"
    "Deletes old messages and inactive accounts by the rules of chatmail.ini.\n"
    "\n"
    "  -c, --config INI     the configuration (" CM_CONFIG_DEFAULT_PATH ")\n"
    "      --dry-run        delete nothing, tell what would go\n"
    "  -v, --verbose        name everything that is deleted\n"
    "      --json           print the summary as JSON\n"
    "      --max-share PERCENT\n"
    "                       refuse to run if more of the accounts would go at once (50)\n"
    "      --force          run nevertheless\n"
    "      --now TIME       judge as if it were TIME (seconds since 1970)\n"
    "      --quota MB       delete the oldest messages of one mailbox until at most MB megabytes\n"
    "                       remain, but none of the last 24 hours\n";

/* False after a complaint. */
static bool parse_number(const char *option, const char *text, uint64_t max, uint64_t *value_r)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value <= max) {
		*value_r = value;
		return true;
	}
	(void)fprintf(stderr, PROGRAM ": %s %s: not a number from 0 to %" PRIu64 "\n", option, text,
		      max);
	return false;
}

/* False after a complaint. */
static bool parse_megabytes(const char *option, const char *text, uint64_t *bytes_r)
{
	char *end;
	double value = strtod(text, &end);

	if (*text >= '0' && *text <= '9' && text[strspn(text, "0123456789.")] == '\0' &&
	    *end == '\0' && value <= MEGABYTES_MAX) {
		*bytes_r = (uint64_t)(value * (1 << 20));
		return true;
	}
	(void)fprintf(stderr, PROGRAM ": %s %s: not a number like 350 or 3.5\n", option, text);
	return false;
}

static bool parse_option(int option, struct command_line *line)
{
	uint64_t value;

	switch (option) {
	case 'c':
		line->config_path = optarg;
		return true;
	case 'v':
		line->options.verbose = true;
		return true;
	case OPTION_DRY_RUN:
		line->options.dry_run = true;
		return true;
	case OPTION_FORCE:
		line->options.force = true;
		return true;
	case OPTION_JSON:
		line->json = true;
		return true;
	case OPTION_MAX_SHARE:
		if (!parse_number("--max-share", optarg, 100, &value))
			return false;
		line->options.max_share = (unsigned int)value;
		return true;
	case OPTION_NOW:
		if (!parse_number("--now", optarg, INT32_MAX * UINT64_C(1000), &value))
			return false;
		line->options.now = (time_t)value;
		return true;
	case OPTION_QUOTA:
		line->quota = true;
		return parse_megabytes("--quota", optarg, &line->quota_bytes);
	default:
		(void)fputs("Try " PROGRAM " --help\n", stderr);
		return false;
	}
}

/* False after a complaint. */
static bool options_fit(const struct command_line *line, int arguments)
{
	const char *complaint = NULL;

	if (line->quota && arguments != 1)
		complaint = "--quota MB wants one MAILBOXDIR";
	else if (line->quota && (line->json || line->options.force))
		complaint = "--quota goes without --json and --force";
	else if (!line->quota && arguments != 0)
		complaint = "too many arguments";
	if (complaint != NULL)
		(void)fprintf(stderr, PROGRAM ": %s\n", complaint);
	return complaint == NULL;
}

/* True to go on; false to end with *status. */
static bool parse_command_line(int argc, char **argv, struct command_line *line, int *status)
{
	int option;

	*status = EXIT_DONE;
	while ((option = getopt_long(argc, argv, "c:v", long_options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			(void)fputs(usage_text, stdout);
			return false;
		}
		if (option == OPTION_VERSION) {
			(void)puts(PROGRAM " " CM_VERSION);
			return false;
		}
		if (!parse_option(option, line)) {
			*status = EXIT_TROUBLE;
			return false;
		}
	}
	if (!options_fit(line, argc - optind)) {
		*status = EXIT_TROUBLE;
		return false;
	}
	line->mailbox_dir = line->quota ? argv[optind] : NULL;
	return true;
}

/* Expiry can wait, but not for ever: the idle class of disk priority would come last, and on a
   server that is never idle mq-deadline serves such a request only after 10 seconds. Without effect
   where the I/O scheduler knows no priorities. */
static void lower_priority(void)
{
	/* linux/ioprio.h: whose priority, and its class and level. */
	const int who_process = 1, class_best_effort = 2, lowest = 7, class_shift = 13;

	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)syscall(SYS_ioprio_set, who_process, 0, class_best_effort << class_shift | lowest);
}

/* Root has no business in mailboxes: what is found there is handled as their owner. */
static bool become_owner(const char *directory, struct cm_error *err)
{
	const struct passwd *owner;
	struct stat st;
	char *name;
	bool good;

	if (geteuid() != 0)
		return true;
	if (stat(directory, &st) < 0) {
		cm_error_set_errno(err, "Cannot examine %s", directory);
		return false;
	}
	if (st.st_uid == 0)
		return true;
	owner = getpwuid(st.st_uid);
	if (owner == NULL) {
		cm_error_set(err, "%s belongs to user id %ju, which has no name", directory,
			     (uintmax_t)st.st_uid);
		return false;
	}
	/* A copy: the next look-up is free to overwrite this one's, and musl's does. */
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

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static int complain(const struct cm_error *err, int status)
{
	(void)fprintf(stderr, PROGRAM ": %s\n", err->text);
	return status;
}

static int run(const struct cm_config *config, const struct command_line *line)
{
	struct expire_result result;
	struct timespec start;
	enum expire_status status;
	struct cm_error err;
	bool went_through;
	double seconds;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	status = expire_run(config, &line->options, &result, &err);
	seconds = seconds_since(&start);
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

static void warn(const char *text, void *context)
{
	(void)context;
	cm_log(LOG_WARNING, "%s", text);
}

static int run_main(const struct command_line *line)
{
	struct cm_error err;
	struct cm_config *config = cm_config_load(line->config_path, warn, NULL, &err);
	int status;

	if (config == NULL)
		return complain(&err, EXIT_TROUBLE);
	cm_log_show_addresses(config->log_addresses || line->options.verbose);
	lower_priority();
	if (become_owner(config->mailboxes_dir, &err))
		status = run(config, line);
	else
		status = complain(&err, EXIT_TROUBLE);
	cm_config_free(&config);
	return status;
}

/* --- one mailbox that is too full --- */

static void tell_trimmed(const char *directory, const char *name, void *context)
{
	const struct command_line *line = context;

	if (line->options.verbose)
		(void)printf("delete message over quota %s/%s\n", directory, name);
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
	    .deleted = tell_trimmed,
	    .context = line,
	};
	bool ok = cm_maildir_trim(&order, &result, err);

	if (result.messages > 0 && !line->options.dry_run) {
		expire_count_trim(config, &result);
		ok = cm_maildir_recount(fd, ok ? err : NULL) && ok;
	}
	if (line->options.verbose || line->options.dry_run)
		(void)printf("%s %" PRIu64 " messages (%.1f MB)\n",
			     line->options.dry_run ? "Would delete" : "Deleted", result.messages,
			     (double)result.bytes / 1e6);
	return ok;
}

/* A readable configuration is wanted for the statistics only. */
static int quota_main(struct command_line *line)
{
	struct cm_config *config;
	struct cm_error err;
	int fd, status = EXIT_DONE;

	if (!become_owner(line->mailbox_dir, &err))
		return complain(&err, EXIT_TROUBLE);
	fd = cm_directory_open(AT_FDCWD, line->mailbox_dir);
	if (fd < 0) {
		cm_error_set_errno(&err, "Cannot open the mailbox %s",
				   cm_log_address(line->mailbox_dir));
		return complain(&err, EXIT_TROUBLE);
	}
	config = cm_config_load(line->config_path, NULL, NULL, NULL);
	if (!trim(fd, line, config, &err))
		status = complain(&err, EXIT_TROUBLE);
	cm_config_free(&config);
	close(fd);
	return status;
}

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
	int status;

	if (!parse_command_line(argc, argv, &line, &status))
		return status;
	cm_log_init(PROGRAM, CM_LOG_STDERR);
	cm_log_show_addresses(line.options.verbose);
	status = line.quota ? quota_main(&line) : run_main(&line);
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	(void)fprintf(stderr, PROGRAM ": Cannot write the output: %s\n", strerror(errno));
	return status == EXIT_DONE ? EXIT_TROUBLE : status;
}
