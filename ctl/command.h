/*
 * command - the subcommands of chatmailctl
 *
 * Each is one file ctl/<name>.c with one entry in the table of chatmailctl.c. A subcommand parses
 * its own options with getopt_long() (argv[0] is "chatmailctl NAME"), prints its result on standard
 * output (JSON with --json), its trouble on standard error, and returns the exit status. That its
 * output can be written is looked at by the caller.
 */
#ifndef CM_COMMAND_H
#define CM_COMMAND_H

/* Exit statuses of every subcommand; check alone uses 1 for "refused". */
#define CM_EXIT_OK      0
#define CM_EXIT_NO      1
#define CM_EXIT_TROUBLE 2

typedef int cm_command_fn(int argc, char **argv);

struct cm_command {
	const char *name;
	cm_command_fn *run;
	const char *summary; /* one line for --help */
};

cm_command_fn cm_command_check;
cm_command_fn cm_command_config;
cm_command_fn cm_command_expire;
cm_command_fn cm_command_invite;
cm_command_fn cm_command_report;
cm_command_fn cm_command_status;

#endif
