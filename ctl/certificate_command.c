/*
 * certificate - chatmailctl certificate: after an ACME client has renewed the certificate
 *
 * SYNOPSIS
 *	chatmailctl certificate deployed [-c INI]
 *	chatmailctl certificate check [-c INI]
 *
 * `deployed` is the hook that any ACME client can call: it checks the pair of files and makes the
 * servers that run read it. A pair that is wrong is reported, and no server is touched: they go on
 * with the old one, which they have in memory.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "options.h"
#include "tls_pair.h"

extern char **environ;

/* A server runs if its file is there; then this makes it read its certificate again. */
static const struct server {
	const char *name, *running;
	const char *const command[4];
} servers[] = {
    {"nginx", "/run/nginx.pid", {"nginx", "-s", "reload", NULL}},
    {"Dovecot", "/run/dovecot/master.pid", {"doveadm", "reload", NULL}},
    {"Postfix", "/var/spool/postfix/pid/master.pid", {"postfix", "reload", NULL}},
};

static bool run(const char *const command[], struct cm_error *err)
{
	int status, result;
	pid_t pid;

	/* posix_spawnp() changes none of the words. */
	result =
	    posix_spawnp(&pid, command[0], NULL, NULL, (char *const *)(void *)command, environ);
	if (result != 0) {
		errno = result;
		cm_error_set_errno(err, "cannot run %s", command[0]);
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	cm_error_set(err, "%s failed", command[0]);
	return false;
}

static int reload_servers(const char *program)
{
	int status = CM_EXIT_OK;
	struct cm_error err;

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		if (access(servers[i].running, F_OK) < 0)
			continue;
		if (run(servers[i].command, &err))
			printf("reloaded %s\n", servers[i].name);
		else
			status = cm_command_fail(program, &err);
	}
	return status;
}

static int check_pair(int argc, char **argv, const char *summary, const char *program)
{
	const char *path = CM_CONFIG_DEFAULT_PATH;
	const struct cm_option options[] = {CM_OPTION_CONFIG(&path), {.name = NULL}};
	const struct cm_command_line line = {
	    .program = program, .synopsis = "[-c INI]", .summary = summary, .options = options};
	int status = cm_options_parse(&line, argc, argv, NULL);
	struct cm_tls_pair pair;
	struct cm_config *config;
	struct cm_error err;
	char date[32] = "";
	struct tm tm;

	if (status >= 0)
		return status;
	config = cm_config_load(path, cm_command_warn, (void *)program, &err);
	if (config == NULL)
		return cm_command_fail(program, &err);
	if (!cm_tls_pair_check(config, time(NULL), &pair, &err)) {
		status = cm_command_fail(program, &err);
	} else {
		if (gmtime_r(&pair.not_after, &tm) != NULL)
			(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
		printf("%s: valid until %s\n", config->tls_certificate, date);
	}
	cm_config_free(&config);
	return status;
}

static int check(int argc, char **argv)
{
	int status = check_pair(argc, argv, "Checks the certificate and its key.", argv[0]);

	return status >= 0 ? status : CM_EXIT_OK;
}

static int deployed(int argc, char **argv)
{
	const char *program = argv[0];
	int status = check_pair(
	    argc, argv,
	    "Checks the certificate and its key, and makes the servers read them again.\n"
	    "For the deploy hook of an ACME client.",
	    program);

	return status >= 0 ? status : reload_servers(program);
}

static const struct cm_command commands[] = {
    {"check", check, "check the certificate and its key"},
    {"deployed", deployed, "check them and make the servers read them again"},
    {NULL, NULL, NULL},
};

int cm_command_certificate(int argc, char **argv)
{
	return cm_command_run(commands, "Looks after the servers' certificate.", argc, argv);
}
