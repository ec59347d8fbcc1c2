/*
 * options - the command line of every program and subcommand
 *
 * One table describes a command line: it drives the parser and --help, and checks the values.
 * --help (-h) and --version (-V) need no entry. A wrong command line is reported on standard
 * error, always in this form:
 *
 *	chatmailctl report: --now yesterday: not a time in seconds since 1970
 *	Try chatmailctl report --help
 */
#ifndef CM_OPTIONS_H
#define CM_OPTIONS_H

#include <stdbool.h>

#include "error.h"

/* The exit status after a wrong command line. */
#define CM_OPTIONS_WRONG 2

/* Maximum number of entries in a table. */
#define CM_OPTIONS_MAX 24

struct cm_option;

/* Stores text, which lives as long as argv, in option->value. text is NULL for an option
   without an argument. False with err filled if the value is wrong: for example "not a
   number", without the option's name and value. */
typedef bool cm_option_fn(const struct cm_option *option, const char *text, struct cm_error *err);

/* An entry lists the members in this order. */
struct cm_option {
	const char *name;     /* the long one, without "--"; NULL ends the table */
	char letter;          /* the short one; 0 without one */
	const char *argument; /* its name in --help: "FILE"; NULL if the option takes none */
	const char *help;     /* its lines in --help, separated by '\n' */
	cm_option_fn *set;
	void *value;              /* where set() stores */
	unsigned int least, most; /* bounds for cm_option_number() */
};

cm_option_fn cm_option_switch; /* bool: becomes true */
cm_option_fn cm_option_text;   /* const char * */
cm_option_fn cm_option_path;   /* const char *: a path, which must be absolute for a daemon */
cm_option_fn cm_option_number; /* unsigned int, decimal, from least to most */
cm_option_fn cm_option_time;   /* time_t: seconds since 1970 */

/* The entry that every program has: the path of its configuration. */
#define CM_OPTION_CONFIG(path)                                                                     \
	{                                                                                          \
		"config", 'c', "INI", "configuration file (" CM_CONFIG_DEFAULT_PATH ")",           \
		    cm_option_path, (path), 0, 0                                                   \
	}

struct cm_command_line {
	const char *program;  /* "chatmail-expire" or "chatmailctl report" */
	const char *synopsis; /* the words after the program; a line for each form */
	const char *summary;  /* complete sentences, printed between synopsis and options */
	const char *closing;  /* printed after the options; NULL: nothing */
	const struct cm_option *options;
	int arguments_min, arguments_max; /* number of words after the options */
};

/* Parses the line. Returns -1 to go on, else the exit status: 0 after --help or --version,
   CM_OPTIONS_WRONG after a complaint. *arguments_r, unless that is NULL, points to the words after
   the options, with a NULL at their end. Options may follow words, as getopt_long(3) has it. */
int cm_options_parse(const struct cm_command_line *line, int argc, char **argv,
		     char ***arguments_r);

/* Reports an error that the table cannot detect. Returns CM_OPTIONS_WRONG. */
int cm_options_complain(const char *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The last call of a program that prints results: lost output, for example on a full disk,
   must not look like success. Returns status, or CM_OPTIONS_WRONG after a complaint if
   standard output could not be written. */
int cm_options_flush(const char *program, int status);

#endif
