/*
 * config - chatmailctl config: the servers' configuration, rendered from chatmail.ini
 *
 * SYNOPSIS
 *
 *	chatmailctl config list|show|diff|apply|rollback|finish [options]
 *
 * The subcommands with their options, and their common preparation.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "job.h"
#include "options.h"

/* A directory of templates for each version of Dovecot. */
#define DOVECOT_TEMPLATES "dovecot-"

/* The preparation that a subcommand needs. */
enum needs {
	NEEDS_SETTINGS,
	NEEDS_STATE,  /* and the files that earlier runs wrote */
	NEEDS_CHANGE, /* and the lock against other changes */
	NEEDS_LOCK,   /* only the lock: chatmail.ini may be invalid */
};

static bool prepare(struct cm_job *job, enum needs needs);
static bool find_dovecot(struct cm_job *job);

static bool add_word(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct cm_job_words *words = option->value;

	if (words->count == CM_JOB_WORDS_MAX) {
		cm_error_set(err, "given more than %d times", CM_JOB_WORDS_MAX);
		return false;
	}
	words->list[words->count++] = text;
	return true;
}

/* One subcommand. `own` has its own options; NULL: none. */
struct subcommand {
	struct cm_command_line line;
	const struct cm_option *own;
	int (*work)(struct cm_job *job);
	enum needs needs;
};

static int perform(struct cm_job *job, const struct subcommand *subcommand)
{
	int status;

	job->err = &job->error;
	while (job->names[job->name_count] != NULL)
		job->name_count++;
	status = prepare(job, subcommand->needs) ? subcommand->work(job) : CM_EXIT_TROUBLE;
	if (job->err->text[0] != '\0')
		(void)cm_command_fail(job->program, job->err);
	cm_state_close(&job->state);
	cm_manifest_free(&job->manifest);
	cm_settings_deinit(&job->settings);
	cm_config_free(&job->config);
	free(job->included);
	cm_secret_values_free(&job->secrets);
	return status;
}

/* Adds the options common to all subcommands, and runs this one. Returns the exit status. */
static int run(struct cm_job *job, const struct subcommand *subcommand, int argc, char **argv)
{
	struct cm_option options[CM_OPTIONS_MAX + 1] = {
	    {"config", 'c', "INI", "configuration file (" CM_CONFIG_DEFAULT_PATH " below DIR)",
	     cm_option_path, &job->ini, 0, 0},
	    CM_OPTION_ROOT(&job->root),
	    {"set", 0, "NAME=VALUE", "override a setting of the site (see show --settings)",
	     add_word, &job->overrides, 0, 0},
	    {"dovecot", 0, "VERSION",
	     "render for this version of Dovecot, such as 2.4 (the installed one)", cm_option_text,
	     &job->dovecot, 0, 0},
	    CM_OPTION_TEMPLATES(&job->templates),
	    CM_OPTION_JSON(&job->json),
	};
	struct cm_command_line line = subcommand->line;
	const struct cm_option *own = subcommand->own;
	size_t count = 0;
	int status;

	while (options[count].name != NULL)
		count++;
	while (own != NULL && own->name != NULL)
		options[count++] = *own++;
	line.program = job->program;
	line.options = options;
	status = cm_options_parse(&line, argc, argv, &job->names);
	return status >= 0 ? status : perform(job, subcommand);
}

#define JOB(name)                                                                                  \
	{                                                                                          \
		.program = (name), .root = "", .templates = CM_TEMPLATE_DIR, .state.lock = -1      \
	}

static int list(int argc, char **argv)
{
	static const struct subcommand subcommand = {
	    .line = {.synopsis = "[OPTION]...",
		     .summary = "Lists the files, and shows which of them you edited."},
	    .work = cm_job_list,
	    .needs = NEEDS_STATE,
	};
	struct cm_job job = JOB(argv[0]);

	return run(&job, &subcommand, argc, argv);
}

static int show(int argc, char **argv)
{
	struct cm_job job = JOB(argv[0]);
	const struct cm_option own[] = {
	    {"settings", 0, NULL, "show all settings for templates, with their values",
	     cm_option_switch, &job.settings_only, 0, 0},
	    {.name = NULL},
	};
	const struct subcommand subcommand = {
	    .line = {.synopsis = "[OPTION]... [TEMPLATE]...",
		     .summary = "Prints the files as rendered from chatmail.ini.",
		     .arguments_max = INT32_MAX},
	    .own = own,
	    .work = cm_job_show,
	    .needs = NEEDS_SETTINGS,
	};

	return run(&job, &subcommand, argc, argv);
}

static int diff(int argc, char **argv)
{
	static const struct subcommand subcommand = {
	    .line = {.synopsis = "[OPTION]... [FILE]...",
		     .summary =
			 "Prints the changes that apply would make. Exits 1 if there are any.",
		     .arguments_max = INT32_MAX},
	    .work = cm_job_diff,
	    .needs = NEEDS_STATE,
	};
	struct cm_job job = JOB(argv[0]);

	return run(&job, &subcommand, argc, argv);
}

static int change(int argc, char **argv, const char *summary, int (*work)(struct cm_job *job))
{
	struct cm_job job = JOB(argv[0]);
	const struct cm_option own[] = {
	    {"keep", 0, "FILE", "your FILE is right, although the template changed", add_word,
	     &job.keep, 0, 0},
	    {"take", 0, "FILE", "replace FILE by the template's version", add_word, &job.take, 0,
	     0},
	    {"no-check", 0, NULL, "do not run the servers' own checks", cm_option_switch,
	     &job.no_check, 0, 0},
	    {"dry-run", 0, NULL, "print the changes without making them", cm_option_switch,
	     &job.dry_run, 0, 0},
	    {.name = NULL},
	};
	const struct subcommand subcommand = {
	    .line = {.synopsis = "[OPTION]...", .summary = summary},
	    .own = own,
	    .work = work,
	    .needs = NEEDS_CHANGE,
	};

	return run(&job, &subcommand, argc, argv);
}

static int apply(int argc, char **argv)
{
	return change(argc, argv,
		      "Checks all files with the servers' own programs, then puts them in place.",
		      cm_job_apply);
}

static int rollback(int argc, char **argv)
{
	return change(argc, argv, "Undoes the last apply.", cm_job_rollback);
}

static int finish(int argc, char **argv)
{
	static const struct subcommand subcommand = {
	    .line = {.synopsis = "[OPTION]...",
		     .summary = "Finishes an interrupted apply or rollback, if there is one."},
	    .work = cm_job_finish,
	    .needs = NEEDS_LOCK,
	};
	struct cm_job job = JOB(argv[0]);

	return run(&job, &subcommand, argc, argv);
}

int cm_command_config(int argc, char **argv)
{
	static const struct cm_command commands[] = {
	    {"list", list, "list the files, and show which of them you edited"},
	    {"show", show, "print the rendered files"},
	    {"diff", diff, "print the changes that apply would make"},
	    {"apply", apply, "check all files with the servers' programs, then put them in place"},
	    {"rollback", rollback, "undo the last apply"},
	    {"finish", finish, "finish an interrupted apply"},
	    {NULL, NULL, NULL},
	};

	return cm_command_run(
	    commands,
	    "Renders the configuration of the servers from chatmail.ini. Your changes to the files "
	    "are\nkept: put additions into FILE.local, or edit FILE, and apply merges them.",
	    argc, argv);
}

/* Reads the ini and determines every setting. */
static bool prepare(struct cm_job *job, enum needs needs)
{
	char *ini = NULL;

	if (needs == NEEDS_LOCK)
		return cm_state_open(&job->state, job->root, true, job->err);
	if (job->ini == NULL && asprintf(&ini, "%s%s", job->root, CM_CONFIG_DEFAULT_PATH) < 0) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	job->config = cm_command_read_config(job->program, ini != NULL ? ini : job->ini, job->err);
	free(ini);
	if (job->config == NULL)
		return false;
	job->settings = cm_settings_init(job->config, job->root, job->err);
	if (job->settings == NULL)
		return false;
	for (size_t i = 0; i < job->overrides.count; i++)
		if (!cm_settings_override(job->settings, job->overrides.list[i], job->err))
			return false;
	if (!job->settings_only && !find_dovecot(job))
		return false;
	/* Other users need the files and directories, whatever umask the caller has. */
	umask(022);
	job->secrets.shown = needs == NEEDS_SETTINGS;
	return needs == NEEDS_SETTINGS ||
	       cm_state_open(&job->state, job->root, needs == NEEDS_CHANGE && !job->dry_run,
			     job->err);
}

/* The version of the installed Dovecot without its point release, such as 2.4. */
static bool detect_dovecot(struct cm_job *job)
{
	FILE *stream = popen("dovecot --version 2>/dev/null", "re");
	unsigned int major, minor;
	bool known = false;

	if (stream != NULL) {
		known = fscanf(stream, "%3u.%3u.", &major, &minor) == 2;
		pclose(stream);
	}
	if (!known) {
		cm_error_set(job->err, "cannot find out Dovecot's version, because it is not "
				       "installed here: use --dovecot");
		return false;
	}
	snprintf(job->detected, sizeof(job->detected), "%u.%u", major, minor);
	job->dovecot = job->detected;
	return true;
}

/* A version has templates if it has a directory of them. */
static bool find_dovecot(struct cm_job *job)
{
	char *path;
	bool found;

	if (job->dovecot == NULL && !detect_dovecot(job))
		return false;
	if (job->dovecot[strspn(job->dovecot, "0123456789.")] != '\0' ||
	    asprintf(&path, "%s/" DOVECOT_TEMPLATES "%s", job->templates, job->dovecot) < 0)
		path = NULL;
	found = path != NULL && access(path, F_OK) == 0;
	free(path);
	if (!found)
		cm_error_set(job->err, "%s: no templates for Dovecot %s", job->templates,
			     job->dovecot);
	return found;
}
