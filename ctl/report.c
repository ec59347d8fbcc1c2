/*
 * report - chatmailctl report: what the mailboxes hold and who uses them
 *
 * SYNOPSIS
 *	chatmailctl report [-c INI] [--json | --prometheus FILE] [--min-login-age DAYS]
 *	                   [--mdir cur|new|tmp] [--now TIME]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "file.h"
#include "storage.h"

#define PROGRAM "chatmailctl report"

/* What upstream calls the file if only a directory is named. */
#define DEFAULT_FILE "fsreport.prom"

struct job {
	const char *config_path;
	struct cm_storage_filter filter;
	bool json;
	const char *prometheus; /* a file, a directory, or "-"; NULL: no */
};

static const char usage[] =
    "usage: chatmailctl report [-c INI] [--json | --prometheus FILE] [--min-login-age DAYS]\n"
    "                          [--mdir cur|new|tmp] [--now TIME]\n"
    "\n"
    "Shows how full the mailboxes are and how recently their owners were seen.\n"
    "\n"
    "  -c, --config INI       the configuration (" CM_CONFIG_DEFAULT_PATH ")\n"
    "      --json             print JSON\n"
    "      --prometheus FILE  write metrics for node_exporter's textfile collector; a directory\n"
    "                         means " DEFAULT_FILE " in it, - standard output\n"
    "      --min-login-age DAYS\n"
    "                         classify only messages of accounts not seen for so long\n"
    "      --mdir cur|new|tmp classify only messages in this subdirectory\n"
    "      --now TIME         report as if it were TIME (seconds since 1970)\n"
    "  -h, --help             show this help\n";

static int complain(const struct cm_error *err)
{
	(void)fprintf(stderr, PROGRAM ": %s\n", err->text);
	return CM_EXIT_TROUBLE;
}

static bool parse_number(const char *option, unsigned long max, unsigned long *value_r)
{
	char *end;

	errno = 0;
	*value_r = strtoul(optarg, &end, 10);
	if (errno == 0 && *optarg >= '0' && *optarg <= '9' && *end == '\0' && *value_r <= max)
		return true;
	(void)fprintf(stderr, PROGRAM ": %s %s: not a number from 0 to %lu\n", option, optarg, max);
	return false;
}

static bool parse_part(enum cm_maildir_part *part_r)
{
	static const char *const names[] = {
	    [CM_MAILDIR_CUR] = "cur", [CM_MAILDIR_NEW] = "new", [CM_MAILDIR_TMP] = "tmp"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(optarg, names[i]) == 0) {
			*part_r = (enum cm_maildir_part)i;
			return true;
		}
	}
	(void)fprintf(stderr, PROGRAM ": --mdir %s: not cur, new or tmp\n", optarg);
	return false;
}

enum long_option {
	OPTION_JSON = 256,
	OPTION_PROMETHEUS,
	OPTION_MIN_LOGIN_AGE,
	OPTION_MDIR,
	OPTION_NOW,
};

static bool parse_option(int option, struct job *job)
{
	unsigned long value;

	switch (option) {
	case 'c':
		job->config_path = optarg;
		return true;
	case OPTION_JSON:
		job->json = true;
		return true;
	case OPTION_PROMETHEUS:
		job->prometheus = optarg;
		return true;
	case OPTION_MIN_LOGIN_AGE:
		if (!parse_number("--min-login-age", 36500, &value))
			return false;
		job->filter.min_login_age = (unsigned int)value;
		return true;
	case OPTION_MDIR:
		return parse_part(&job->filter.part);
	case OPTION_NOW:
		if (!parse_number("--now", INT32_MAX, &value))
			return false;
		job->filter.now = (time_t)value;
		return true;
	default:
		(void)fputs("Try " PROGRAM " --help\n", stderr);
		return false;
	}
}

/* True to go on; false to end with *status_r. */
static bool parse_options(int argc, char **argv, struct job *job, int *status_r)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"json", no_argument, NULL, OPTION_JSON},
	    {"prometheus", required_argument, NULL, OPTION_PROMETHEUS},
	    {"min-login-age", required_argument, NULL, OPTION_MIN_LOGIN_AGE},
	    {"mdir", required_argument, NULL, OPTION_MDIR},
	    {"now", required_argument, NULL, OPTION_NOW},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*status_r = CM_EXIT_TROUBLE;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h') {
			(void)fputs(usage, stdout);
			*status_r = CM_EXIT_OK;
			return false;
		}
		if (!parse_option(option, job))
			return false;
	}
	if (optind < argc || (job->json && job->prometheus != NULL)) {
		(void)fputs(optind < argc ? PROGRAM ": too many arguments\n"
					  : PROGRAM ": --json or --prometheus, not both\n",
			    stderr);
		return false;
	}
	return true;
}

/* The collector may read at any moment: the file appears whole, readable by everyone. */
static bool write_metrics(const char *path, const char *text, struct cm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char *directory = slash == NULL   ? strdup(".")
			  : slash == path ? strdup("/")
					  : strndup(path, (size_t)(slash - path));
	struct stat st;
	int fd = -1;
	bool ok;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		free(directory);
		directory = strdup(path);
		name = DEFAULT_FILE;
	}
	(void)umask(022);
	if (directory != NULL)
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && cm_file_write(fd, name, ".tmp.", text, strlen(text), 0644, CM_FILE_REPLACE);
	if (!ok)
		cm_error_set_errno(err, "Cannot write %s", path);
	if (fd >= 0)
		close(fd);
	free(directory);
	return ok;
}

static bool put(const struct job *job, const struct cm_storage *storage, struct cm_error *err)
{
	char *text;
	bool ok = true;

	if (job->prometheus != NULL)
		text = cm_storage_prometheus(storage);
	else if (job->json)
		text = cm_storage_json(storage, &job->filter);
	else
		text = cm_storage_text(storage, &job->filter);
	if (text == NULL) {
		cm_error_set(err, "Out of memory");
		return false;
	}
	if (job->prometheus != NULL && strcmp(job->prometheus, "-") != 0)
		ok = write_metrics(job->prometheus, text, err);
	else
		(void)printf("%s%s", text, job->json ? "\n" : "");
	free(text);
	return ok;
}

int cm_command_report(int argc, char **argv)
{
	struct job job = {
	    .config_path = CM_CONFIG_DEFAULT_PATH,
	    .filter = {.now = time(NULL), .part = CM_MAILDIR_EXTRA},
	};
	struct cm_storage storage;
	struct cm_config *config;
	struct cm_error err;
	int status;
	bool ok;

	if (!parse_options(argc, argv, &job, &status))
		return status;
	config = cm_config_load(job.config_path, NULL, NULL, &err);
	if (config == NULL)
		return complain(&err);
	ok = cm_storage_collect(&storage, &job.filter, config->mailboxes_dir, &err);
	cm_config_free(&config);
	if (!ok || !put(&job, &storage, &err))
		return complain(&err);
	if (storage.troubles == 0)
		return CM_EXIT_OK;
	cm_error_set(&err, "%ju mailboxes could not be read to the end",
		     (uintmax_t)storage.troubles);
	return complain(&err);
}
