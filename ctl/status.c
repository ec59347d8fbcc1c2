/*
 * status - chatmailctl status: how the relay is doing
 *
 * SYNOPSIS
 *	chatmailctl status [-c INI] [--json] [--queue-directory DIR]
 *
 * Exits 1 if a program that should run does not.
 */
#include "status.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static const char usage[] =
    "usage: chatmailctl status [-c INI] [--json] [--queue-directory DIR]\n"
    "\n"
    "Shows whether the relay's programs run, whether new accounts can be created, disk space,\n"
    "queues, and what was counted since the machine started. Exits 1 if a program is missing.\n"
    "\n"
    "  -c, --config INI           read this file (default: " CM_CONFIG_DEFAULT_PATH ")\n"
    "      --json                 print JSON\n"
    "      --queue-directory DIR  Postfix's queue (default: /var/spool/postfix)\n"
    "  -h, --help                 show this help\n";

struct options {
	const char *config_path, *queue_directory;
	bool json;
};

static bool parse_options(int argc, char **argv, struct options *options, int *status_r)
{
	static const struct option table[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"json", no_argument, NULL, 'j'},
	    {"queue-directory", required_argument, NULL, 'q'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){CM_CONFIG_DEFAULT_PATH, "/var/spool/postfix", false};
	*status_r = CM_EXIT_TROUBLE;
	while ((option = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'q':
			options->queue_directory = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			*status_r = CM_EXIT_OK;
			return false;
		default:
			fputs("Try chatmailctl status --help\n", stderr);
			return false;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, "chatmailctl status: unexpected argument: %s\n", argv[optind]);
	return false;
}

static void warn(const char *text, void *context)
{
	(void)context;
	fprintf(stderr, "chatmailctl status: %s\n", text);
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

	if (!parse_options(argc, argv, &options, &result))
		return result;
	config = cm_config_load(options.config_path, warn, NULL, &err);
	if (config == NULL || !cm_status_gather(&status, config, options.queue_directory, &err)) {
		fprintf(stderr, "chatmailctl status: %s\n", err.text);
		cm_config_free(&config);
		return CM_EXIT_TROUBLE;
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
