/*
 * status - chatmailctl status: the state of the relay
 *
 * SYNOPSIS
 *
 *	chatmailctl status [-c INI] [--json | --html FILE] [--watch SECONDS] [--quick]
 *	                   [--only SUBJECT]... [--address IP]... [--set NAME=VALUE]...
 *	                   [--dovecot VERSION] [--templates DIR] [--queue-directory DIR]
 */
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config_value.h"
#include "doctor.h"
#include "json_print.h"
#include "options.h"
#include "output_file.h"
#include "zone.h"

#define OVERRIDES_MAX 64
#define HTML_FILE     "status.html"

struct options {
	const char *config_path, *queue_directory, *html, *dovecot, *templates;
	const char *addresses[CM_ZONE_ADDRESSES_MAX];
	const char *overrides[OVERRIDES_MAX + 1];
	unsigned int watch; /* seconds; 0: once */
	unsigned int only;  /* as in struct cm_doctor */
	bool json, quick;
};

/* The data of one run. */
struct run {
	const char *program;
	const struct options *options;
	struct cm_config *config;
	struct cm_settings *settings;
	struct cm_status status;
	struct cm_checks subjects[CM_SUBJECT_COUNT];
};

/* Appends to a NULL-terminated list of words. */
static bool append(const char **list, size_t most, const char *text, struct cm_error *err)
{
	size_t count = 0;

	while (list[count] != NULL)
		count++;
	if (count == most) {
		cm_error_set(err, "given more than %zu times", most);
		return false;
	}
	list[count] = text;
	return true;
}

static bool add_override(const struct cm_option *option, const char *text, struct cm_error *err)
{
	return append(option->value, OVERRIDES_MAX, text, err);
}

static bool add_address(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (cm_value_is_ip(text, strlen(text)))
		return append(option->value, CM_ZONE_ADDRESSES_MAX - 1, text, err);
	cm_error_set(err, "not an IP address");
	return false;
}

static bool add_subject(const struct cm_option *option, const char *text, struct cm_error *err)
{
	enum cm_subject subject;

	if (!cm_doctor_find_subject(text, &subject)) {
		cm_error_set(err, "must be programs, ports, mail, machine, names or services");
		return false;
	}
	*(unsigned int *)option->value |= 1U << subject;
	return true;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	const struct cm_option table[] = {
	    CM_OPTION_CONFIG(&options->config_path),
	    CM_OPTION_JSON(&options->json),
	    {"html", 0, "FILE", "write a page for browsers to FILE", cm_option_path, &options->html,
	     0, 0},
	    {"watch", 0, "SECONDS", "repeat every SECONDS, until interrupted", cm_option_number,
	     &options->watch, 1, 86400},
	    {"quick", 0, NULL, "connect to no server and query no DNS server", cm_option_switch,
	     &options->quick, 0, 0},
	    {"only", 0, "SUBJECT",
	     "examine only programs, ports, mail, machine, names or services; may be repeated",
	     add_subject, &options->only, 0, 0},
	    {"address", 0, "IP", "the relay's public address; may be repeated (this machine's)",
	     add_address, options->addresses, 0, 0},
	    {"set", 0, "NAME=VALUE", "the --set of \"chatmailctl config apply\"; may be repeated",
	     add_override, options->overrides, 0, 0},
	    {"dovecot", 0, "VERSION", "the --dovecot of \"chatmailctl config apply\"",
	     cm_option_text, &options->dovecot, 0, 0},
	    CM_OPTION_TEMPLATES(&options->templates),
	    {"queue-directory", 0, "DIR", "Postfix's queue (/var/spool/postfix)", cm_option_path,
	     &options->queue_directory, 0, 0},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]...",
	    .summary =
		"Examines the relay as its users see it: connects to every port, speaks its "
		"protocol, queries\nthe DNS, and tests accounts and messages. Prints a line for "
		"each check, and below it the\nremedy for a fault. Exits 1 if there is a fault.",
	    .options = table,
	};
	int status;

	*options = (struct options){.config_path = CM_CONFIG_DEFAULT_PATH,
				    .templates = CM_TEMPLATE_DIR,
				    .queue_directory = "/var/spool/postfix"};
	status = cm_options_parse(&line, argc, argv, NULL);
	if (status < 0 && options->json && options->html != NULL)
		return cm_options_complain(argv[0], "--json or --html, but not both");
	return status;
}

static bool is_terminal(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */

	return is_terminal() && (no_color == NULL || *no_color == '\0');
}

static bool examine(struct run *run, struct cm_error *err)
{
	const struct options *options = run->options;
	struct cm_doctor doctor = {
	    .queue_directory = options->queue_directory,
	    .overrides = options->overrides,
	    .dovecot = options->dovecot,
	    .templates = options->templates,
	    .addresses = options->addresses,
	    .quick = options->quick,
	    .only = options->only,
	};

	run->config = cm_command_read_config(run->program, options->config_path, err);
	if (run->config == NULL ||
	    !cm_status_gather(&run->status, run->config, options->queue_directory, err))
		return false;
	run->settings = cm_settings_init(run->config, "", err);
	if (run->settings == NULL)
		return false;
	for (const char *const *one = options->overrides; *one != NULL; one++)
		if (!cm_settings_override(run->settings, *one, err))
			return false;
	doctor.config = run->config;
	doctor.settings = run->settings;
	doctor.status = &run->status;
	return cm_doctor_examine(&doctor, run->subjects, err);
}

static bool write_html(const struct run *run, struct cm_error *err)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	bool good = stream != NULL;

	if (good) {
		cm_status_print_html(&run->status, run->subjects, stream);
		good = fclose(stream) == 0;
	}
	if (!good)
		cm_error_set(err, "out of memory");
	else
		good = cm_output_file_write(run->options->html, HTML_FILE, text, err);
	free(text);
	return good;
}

static bool print_json(const struct run *run, struct cm_error *err)
{
	json_t *json = cm_status_json(&run->status, run->subjects);

	return run->options->watch > 0 ? cm_json_print_line(json, err) : cm_json_print(json, err);
}

static bool print(const struct run *run, struct cm_error *err)
{
	if (run->options->html != NULL)
		return write_html(run, err);
	if (run->options->json)
		return print_json(run, err);
	if (run->options->watch > 0 && is_terminal())
		fputs("\033[H\033[2J", stdout);
	cm_status_print(&run->status, run->subjects, wants_colour(), stdout);
	return true;
}

static int run_once(const char *program, const struct options *options)
{
	struct run run = {.program = program, .options = options};
	struct cm_error err;
	int result;

	if (examine(&run, &err) && print(&run, &err))
		result =
		    cm_doctor_count(run.subjects, CM_HEALTH_FAULT) == 0 ? CM_EXIT_OK : CM_EXIT_NO;
	else
		result = cm_command_fail(program, &err);
	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++)
		cm_checks_free(&run.subjects[i]);
	cm_status_release(&run.status);
	cm_settings_deinit(&run.settings);
	cm_config_free(&run.config);
	return result;
}

int cm_command_status(int argc, char **argv)
{
	struct options options;
	int result = parse_options(argc, argv, &options);

	if (result >= 0)
		return result;
	for (;;) {
		result = run_once(argv[0], &options);
		if (options.watch == 0 || fflush(stdout) != 0)
			return result;
		sleep(options.watch);
	}
}
