/*
 * command - the subcommands of chatmailctl
 *
 * Each is one file ctl/<name>.c, or a folder, with one entry in the table of chatmailctl.c. It
 * parses its options with options.h (argv[0] is "chatmailctl NAME", the program of its command
 * line), prints its result on standard output (JSON with --json), errors on standard error, and
 * returns the exit status. A command may have a table of subcommands itself: "chatmailctl config
 * show". The caller checks whether the output could be written.
 */
#ifndef CM_COMMAND_H
#define CM_COMMAND_H

#include <stddef.h>

#include "config.h"
#include "error.h"
#include "options.h"

/* Exit statuses of every subcommand; only check uses 1 for "refused". */
#define CM_EXIT_OK      0
#define CM_EXIT_NO      1
#define CM_EXIT_TROUBLE 2

typedef int cm_command_fn(int argc, char **argv);

struct cm_command {
	const char *name; /* NULL ends the table */
	cm_command_fn *run;
	const char *summary; /* one line for --help */
};

/* Runs the subcommand that argv[1] names. summary is printed by --help above the list of
   commands. argv[0] is the program's name with the previous commands. */
int cm_command_run(const struct cm_command *table, const char *summary, int argc, char **argv);

/* Prints "PROGRAM: ERROR" on standard error and returns CM_EXIT_TROUBLE. */
int cm_command_fail(const char *program, const struct cm_error *err);

/* Prints "PROGRAM: warning: TEXT" on standard error. */
void cm_command_warn(const char *program, const char *text);

/* Reads the configuration, and prints its warnings unless program is NULL. NULL with err filled. */
struct cm_config *cm_command_read_config(const char *program, const char *path,
					 struct cm_error *err);

/* The same for a configuration that has no file yet. */
struct cm_config *cm_command_read_config_text(const char *program, const char *text, size_t length,
					      struct cm_error *err);

/* The value of --root, a const char *: "" for "/". */
cm_option_fn cm_command_set_root;

/* Options that several subcommands have. */
#define CM_OPTION_JSON(on)                                                                         \
	{                                                                                          \
		"json", 0, NULL, "print JSON", cm_option_switch, (on), 0, 0                        \
	}
#define CM_OPTION_YES(on)                                                                          \
	{                                                                                          \
		"yes", 'y', NULL, "do not ask", cm_option_switch, (on), 0, 0                       \
	}
#define CM_OPTION_ROOT(path)                                                                       \
	{                                                                                          \
		"root", 0, "DIR", "work below DIR instead of /", cm_command_set_root, (path), 0, 0 \
	}
#define CM_OPTION_TEMPLATES(path)                                                                  \
	{                                                                                          \
		"templates", 0, "DIR", "read the templates from DIR", cm_option_text, (path), 0, 0 \
	}

cm_command_fn cm_command_backup;
cm_command_fn cm_command_certificate;
cm_command_fn cm_command_check;
cm_command_fn cm_command_config;
cm_command_fn cm_command_dns;
cm_command_fn cm_command_expire;
cm_command_fn cm_command_init;
cm_command_fn cm_command_invite;
cm_command_fn cm_command_log;
cm_command_fn cm_command_migrate;
cm_command_fn cm_command_queue;
cm_command_fn cm_command_report;
cm_command_fn cm_command_restore;
cm_command_fn cm_command_status;
cm_command_fn cm_command_user;

#endif
