/*
 * status - chatmailctl status: how the relay is doing
 *
 * SYNOPSIS
 *	chatmailctl status [-c INI] [--json] [--queue-directory DIR]
 *
 * Exits 1 if a program that should run does not.
 */
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "options.h"

struct options {
	const char *config_path, *queue_directory;
	bool json;
};

/* Returns -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	const struct cm_option table[] = {
	    CM_OPTION_CONFIG(&options->config_path),
	    {.name = "json",
	     .help = "print JSON",
	     .set = cm_option_switch,
	     .value = &options->json},
	    {.name = "queue-directory",
	     .argument = "DIR",
	     .help = "Postfix's queue (/var/spool/postfix)",
	     .set = cm_option_path,
	     .value = &options->queue_directory},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[-c INI] [--json] [--queue-directory DIR]",
	    .summary = "Shows whether the relay's programs run, whether new accounts can be "
		       "created, disk space,\n"
		       "queues, and what was counted since the machine started. Exits 1 if a "
		       "program is missing.",
	    .options = table,
	};

	*options = (struct options){CM_CONFIG_DEFAULT_PATH, "/var/spool/postfix", false};
	return cm_options_parse(&line, argc, argv, NULL);
}

static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0') &&
	       (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static bool print_json(const struct cm_status *status)
{
	json_t *json = cm_status_json(status);
	bool good = json != NULL && json_dumpf(json, stdout, JSON_INDENT(2)) == 0;

	putchar('\n');
	json_decref(json);
	return good;
}

int cm_command_status(int argc, char **argv)
{
	struct cm_status status;
	struct options options;
	struct cm_config *config;
	struct cm_error err;
	int result;

	result = parse_options(argc, argv, &options);
	if (result >= 0)
		return result;
	config = cm_config_load(options.config_path, cm_command_warn, argv[0], &err);
	if (config == NULL || !cm_status_gather(&status, config, options.queue_directory, &err)) {
		cm_config_free(&config);
		return cm_command_fail(argv[0], &err);
	}
	result = cm_status_is_good(&status) ? CM_EXIT_OK : CM_EXIT_NO;
	if (!options.json)
		cm_status_print(&status, wants_colour(), stdout);
	else if (!print_json(&status))
		result = CM_EXIT_TROUBLE;
	cm_status_release(&status);
	cm_config_free(&config);
	return result;
}
