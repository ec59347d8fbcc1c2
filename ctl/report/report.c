/*
 * report - chatmailctl report: the size of the mailboxes and their last use
 *
 * SYNOPSIS
 *
 *	chatmailctl report [-c INI] [--json | --prometheus FILE] [--min-login-age DAYS]
 *	                   [--mdir cur|new|tmp] [--now TIME]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "options.h"
#include "output_file.h"
#include "storage.h"

/* Upstream's name of the file if only a directory is given. */
#define DEFAULT_FILE "fsreport.prom"

struct job {
	const char *config_path;
	struct cm_storage_filter filter;
	bool json;
	const char *prometheus; /* a file, a directory, or "-"; NULL: no */
};

static bool set_part(const struct cm_option *option, const char *text, struct cm_error *err)
{
	static const char *const names[] = {
	    [CM_MAILDIR_CUR] = "cur", [CM_MAILDIR_NEW] = "new", [CM_MAILDIR_TMP] = "tmp"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*(enum cm_maildir_part *)option->value = (enum cm_maildir_part)i;
			return true;
		}
	}
	cm_error_set(err, "not cur, new or tmp");
	return false;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job->config_path),
	    CM_OPTION_JSON(&job->json),
	    {"prometheus", 0, "FILE",
	     "write metrics for node_exporter's textfile collector; a directory\n"
	     "means " DEFAULT_FILE " in it, - means standard output",
	     cm_option_path, &job->prometheus, 0, 0},
	    {"min-login-age", 0, "DAYS",
	     "classify only messages of accounts not seen for this number of days",
	     cm_option_number, &job->filter.min_login_age, 0, 36500},
	    {"mdir", 0, "cur|new|tmp", "classify only messages in this subdirectory", set_part,
	     &job->filter.part, 0, 0},
	    {"now", 0, "TIME", "report as if it were TIME (seconds since 1970)", cm_option_time,
	     &job->filter.now, 0, 0},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[-c INI] [--json | --prometheus FILE] [--min-login-age DAYS]\n"
			"[--mdir cur|new|tmp] [--now TIME]",
	    .summary = "Shows the size of the mailboxes and when they were last used.",
	    .options = options,
	};
	int status = cm_options_parse(&line, argc, argv, NULL);

	if (status < 0 && job->json && job->prometheus != NULL)
		return cm_options_complain(argv[0], "--json or --prometheus, but not both");
	return status;
}

static bool put(const struct job *job, const struct cm_storage *storage, struct cm_error *err)
{
	char *text;
	bool good = true;

	if (job->prometheus != NULL)
		text = cm_storage_prometheus(storage);
	else if (job->json)
		text = cm_storage_json(storage, &job->filter);
	else
		text = cm_storage_text(storage, &job->filter);
	if (text == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	if (job->prometheus != NULL && strcmp(job->prometheus, "-") != 0)
		good = cm_output_file_write(job->prometheus, DEFAULT_FILE, text, err);
	else
		printf("%s%s", text, job->json ? "\n" : "");
	free(text);
	return good;
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
	int status = parse_options(argc, argv, &job);
	bool good;

	if (status >= 0)
		return status;
	config = cm_config_load(job.config_path, NULL, NULL, &err);
	if (config == NULL)
		return cm_command_fail(argv[0], &err);
	good = cm_storage_collect(&storage, &job.filter, config->mailboxes_dir, &err);
	cm_config_free(&config);
	if (!good || !put(&job, &storage, &err))
		return cm_command_fail(argv[0], &err);
	if (storage.troubles == 0)
		return CM_EXIT_OK;
	cm_error_set(&err, "%ju mailboxes could not be read completely",
		     (uintmax_t)storage.troubles);
	return cm_command_fail(argv[0], &err);
}
