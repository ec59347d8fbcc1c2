/*
 * chatmailctl - the operator's program
 *
 * SYNOPSIS
 *	chatmailctl COMMAND [options]
 *
 * Dispatch only: each command is a file of its own, see command.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct cm_command commands[] = {
    {"check", cm_command_check, "say whether the relay would take a message, and why"},
    {"config", cm_command_config, "render the configuration of Postfix, Dovecot and OpenDKIM"},
    {"invite", cm_command_invite, "make, list and revoke invitations"},
    {"status", cm_command_status, "show how the relay is doing"},
    {"report", cm_command_report, "show how full the mailboxes are and who uses them"},
    {"expire", cm_command_expire, "delete what is old now: runs chatmail-expire"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *stream)
{
	fputs("usage: chatmailctl COMMAND [options]\n"
	      "       chatmailctl COMMAND --help\n\n",
	      stream);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-9s %s\n", commands[i].name, commands[i].summary);
}

/* Output that got lost, on a full disk say, must not look like success. */
static int finish(const char *program, int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	fprintf(stderr, "%s: cannot write the output: %s\n", program, strerror(errno));
	return CM_EXIT_TROUBLE;
}

/* getopt_long() begins its complaints with argv[0]. */
static int run(const struct cm_command *command, int argc, char **argv)
{
	char program[64];

	(void)snprintf(program, sizeof(program), "chatmailctl %s", command->name);
	argv[0] = program;
	return finish(program, command->run(argc, argv));
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return CM_EXIT_TROUBLE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return CM_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("chatmailctl " CM_VERSION);
		return CM_EXIT_OK;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr, "chatmailctl: there is no command %s; try chatmailctl --help\n", argv[1]);
	return CM_EXIT_TROUBLE;
}
