/*
 * certificate - chatmailctl certificate: after an ACME client has renewed the certificate
 *
 * SYNOPSIS
 *
 *	chatmailctl certificate deployed [options] [CERTIFICATE KEY]
 *	chatmailctl certificate check [options] [CERTIFICATE KEY]
 *
 * `deployed` is the hook that any ACME client can call: it checks the pair of files, copies it to
 * the servers' path if it is elsewhere, and makes the running servers read it. An invalid pair is
 * reported, and neither copied nor loaded: the servers keep the old one.
 */
#include <errno.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "json_print.h"
#include "options.h"
#include "reload.h"
#include "tls_pair.h"

static bool run(const char *const command[], struct cm_error *err)
{
	int status, result;
	pid_t pid;

	/* posix_spawnp() does not modify the arguments. */
	result =
	    posix_spawnp(&pid, command[0], NULL, NULL, (char *const *)(void *)command, environ);
	if (result != 0) {
		errno = result;
		cm_error_set_errno(err, "%s: cannot be run", command[0]);
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	cm_error_set(err, "%s: failed", command[0]);
	return false;
}

/* json: NULL, or gets the names of the reloaded servers. */
static int reload_servers(const char *program, json_t *json)
{
	json_t *reloaded = json_array();
	int status = CM_EXIT_OK;
	struct cm_error err;

	for (size_t i = 0; i < CM_RELOAD_COUNT; i++) {
		if (!cm_reload_runs(&cm_reloads[i]))
			continue;
		if (!run(cm_reloads[i].command, &err)) {
			status = cm_command_fail(program, &err);
			continue;
		}
		json_array_append_new(reloaded, json_string(cm_reloads[i].name));
		if (json == NULL)
			printf("reloaded %s\n", cm_reloads[i].name);
	}
	if (json != NULL)
		json_object_set(json, "reloaded", reloaded);
	json_decref(reloaded);
	return status;
}

/* Prints problems that do not prevent the use of the pair. */
static void warn(const char *program, const struct cm_config *config,
		 const struct cm_tls_files *files, const struct cm_tls_pair *pair)
{
	if (config->tls_self_signed)
		return;
	if (pair->self_signed)
		fprintf(stderr,
			"%s: warning: %s: self-signed: clients and other relays refuse it\n",
			program, files->certificate);
	if ((pair->missing & CM_TLS_MTA_STS) != 0)
		fprintf(stderr,
			"%s: warning: %s: not for mta-sts.%s: nobody can read the MTA-STS policy\n",
			program, files->certificate, config->mail_host);
	if ((pair->missing & CM_TLS_AUTOCONFIG) != 0)
		fprintf(stderr,
			"%s: warning: %s: not for autoconfig.%s: clients take longer to find the "
			"ports\n",
			program, files->certificate, config->mail_host);
}

/* The names of the relay that the certificate lacks. */
static json_t *missing_names(const struct cm_config *config, const struct cm_tls_pair *pair)
{
	json_t *names = json_array();

	if ((pair->missing & CM_TLS_MTA_STS) != 0)
		json_array_append_new(names, json_sprintf("mta-sts.%s", config->mail_host));
	if ((pair->missing & CM_TLS_AUTOCONFIG) != 0)
		json_array_append_new(names, json_sprintf("autoconfig.%s", config->mail_host));
	return names;
}

/* json: NULL, or gets what would be printed. */
static int look_at(const char *program, const struct cm_config *config,
		   const struct cm_tls_files *files, json_t *json)
{
	struct cm_tls_pair pair;
	struct cm_error err;
	char date[32] = "";
	struct tm tm;

	if (!cm_tls_pair_check(config, files, time(NULL), &pair, &err))
		return cm_command_fail(program, &err);
	if (json != NULL) {
		json_object_set_new(json, "certificate", json_string(files->certificate));
		json_object_set_new(json, "not_after", json_integer((json_int_t)pair.not_after));
		json_object_set_new(json, "self_signed", json_boolean(pair.self_signed));
		json_object_set_new(json, "missing_names", missing_names(config, &pair));
		return CM_EXIT_OK;
	}
	warn(program, config, files, &pair);
	if (gmtime_r(&pair.not_after, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
	printf("%s: valid until %s\n", files->certificate, date);
	return CM_EXIT_OK;
}

static int install(const char *program, const struct cm_config *config,
		   const struct cm_tls_files *files, json_t *json)
{
	struct cm_error err;

	if (!cm_tls_pair_install(config, files, &err))
		return cm_command_fail(program, &err);
	return reload_servers(program, json);
}

/* Runs both commands; deploy distinguishes them. */
static int run_command(int argc, char **argv, const char *summary, bool deploy)
{
	const char *path = CM_CONFIG_DEFAULT_PATH;
	bool as_json = false;
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&path),
	    CM_OPTION_JSON(&as_json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {.program = argv[0],
					     .synopsis = "[-c INI] [--json] [CERTIFICATE KEY]",
					     .summary = summary,
					     .options = options,
					     .arguments_max = 2};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);
	struct cm_config *config;
	json_t *json = NULL;
	struct cm_error err;

	if (status >= 0)
		return status;
	if (words[0] != NULL && words[1] == NULL)
		return cm_options_complain(argv[0], "%s: the key is missing", words[0]);
	config = cm_command_read_config(argv[0], path, &err);
	if (config == NULL)
		return cm_command_fail(argv[0], &err);
	const struct cm_tls_files files = {
	    words[0] != NULL ? words[0] : config->tls_certificate,
	    words[0] != NULL ? words[1] : config->tls_key,
	};
	if (as_json)
		json = json_object();
	status = look_at(argv[0], config, &files, json);
	if (status == CM_EXIT_OK && deploy)
		status = install(argv[0], config, &files, json);
	if (json_object_size(json) > 0 && !cm_json_print(json_incref(json), &err))
		status = cm_command_fail(argv[0], &err);
	json_decref(json);
	cm_config_free(&config);
	return status;
}

static int check(int argc, char **argv)
{
	return run_command(
	    argc, argv,
	    "Checks the certificate and its key: the given pair, or the pair that the servers use.",
	    false);
}

static int deployed(int argc, char **argv)
{
	return run_command(argc, argv,
			   "Checks the certificate and its key, copies a given pair to the place "
			   "where the servers\nread it, and makes the servers read it again. For "
			   "the deploy hook of an ACME client.",
			   true);
}

static const struct cm_command commands[] = {
    {"check", check, "check the certificate and its key"},
    {"deployed", deployed, "check them, and make the servers read them again"},
    {NULL, NULL, NULL},
};

int cm_command_certificate(int argc, char **argv)
{
	return cm_command_run(commands, "Checks and installs the servers' certificate.", argc,
			      argv);
}
