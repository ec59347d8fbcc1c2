#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* getopt_long() returns this plus N for entry N of the table. */
#define ENTRY 256

/* The rightmost column in which the explanations begin; a longer option gets a line of its own. */
#define COLUMN_MAX 30

bool cm_option_switch(const struct cm_option *option, const char *text, struct cm_error *err)
{
	(void)text;
	(void)err;
	*(bool *)option->value = true;
	return true;
}

bool cm_option_text(const struct cm_option *option, const char *text, struct cm_error *err)
{
	(void)err;
	*(const char **)option->value = text;
	return true;
}

bool cm_option_path(const struct cm_option *option, const char *text, struct cm_error *err)
{
	return cm_option_text(option, text, err);
}

/* A decimal number without a sign. */
static bool parse_number(const char *text, uint64_t most, uint64_t *value_r)
{
	char *end;

	errno = 0;
	*value_r = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *value_r <= most;
}

bool cm_option_number(const struct cm_option *option, const char *text, struct cm_error *err)
{
	uint64_t value;

	if (parse_number(text, option->most, &value) && value >= option->least) {
		*(unsigned int *)option->value = (unsigned int)value;
		return true;
	}
	cm_error_set(err, "not a number from %u to %u", option->least, option->most);
	return false;
}

bool cm_option_time(const struct cm_option *option, const char *text, struct cm_error *err)
{
	uint64_t value;

	/* The limit is in the year 70,000: a sum with it overflows no int64_t. */
	if (parse_number(text, INT32_MAX * UINT64_C(1000), &value)) {
		*(time_t *)option->value = (time_t)value;
		return true;
	}
	cm_error_set(err, "not a time in seconds since 1970");
	return false;
}

static const struct cm_option always[] = {
    {"help", 'h', NULL, "show this help", NULL, NULL, 0, 0},
    {"version", 'V', NULL, "show the version", NULL, NULL, 0, 0},
    {.name = NULL},
};

/* Prints every line of text with an indentation; the first one has begun. */
static void print_lines(const char *text, int indentation)
{
	for (;;) {
		int length = (int)strcspn(text, "\n");

		printf("%.*s\n", length, text);
		if (text[length] == '\0')
			return;
		printf("%*s", indentation, "");
		text += length + 1;
	}
}

/* Column width of "  -l, --name ARGUMENT". */
static int option_width(const struct cm_option *option)
{
	size_t argument = option->argument != NULL ? 1 + strlen(option->argument) : 0;

	return (int)(strlen("  -l, --") + strlen(option->name) + argument);
}

static int explanation_column(const struct cm_option *options)
{
	int column = option_width(&always[1]) + 2;

	for (; options->name != NULL; options++)
		if (option_width(options) + 2 > column && option_width(options) + 2 <= COLUMN_MAX)
			column = option_width(options) + 2;
	return column;
}

static void print_option(const struct cm_option *option, int column)
{
	const char letter[] = {'-', option->letter, ',', '\0'};
	int width = option_width(option);

	printf("  %3s --%s%s%s", option->letter != 0 ? letter : "", option->name,
	       option->argument != NULL ? " " : "",
	       option->argument != NULL ? option->argument : "");
	if (width + 2 > column) {
		putchar('\n');
		width = 0;
	}
	printf("%*s", column - width, "");
	print_lines(option->help, column);
}

static void print_help(const struct cm_command_line *line)
{
	const char *synopsis = line->synopsis;
	int column = explanation_column(line->options);

	for (const char *begin = "usage: "; synopsis != NULL; begin = "       ") {
		int length = (int)strcspn(synopsis, "\n");

		printf("%s%s %.*s\n", begin, line->program, length, synopsis);
		synopsis = synopsis[length] != '\0' ? synopsis + length + 1 : NULL;
	}
	printf("\n%s\n\n", line->summary);
	for (const struct cm_option *option = line->options; option->name != NULL; option++)
		print_option(option, column);
	for (const struct cm_option *option = always; option->name != NULL; option++)
		print_option(option, column);
	if (line->closing != NULL)
		printf("\n%s\n", line->closing);
}

static void suggest_help(const char *program)
{
	fprintf(stderr, "Try %s --help\n", program);
}

int cm_options_complain(const char *program, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	suggest_help(program);
	return CM_OPTIONS_WRONG;
}

int cm_options_flush(const char *program, int status)
{
	const char *reason = NULL;

	/* Nobody kept the errno of an earlier write. */
	if (fflush(stdout) != 0)
		reason = strerror(errno);
	else if (ferror(stdout) != 0)
		reason = "a write failed";
	if (reason == NULL)
		return status;
	fprintf(stderr, "%s: cannot write the output: %s\n", program, reason);
	clearerr(stdout);
	return CM_OPTIONS_WRONG;
}

/* The table in getopt's two forms. */
struct tables {
	struct option names[CM_OPTIONS_MAX + 3];
	char letters[2 * (CM_OPTIONS_MAX + 2) + 1];
};

static void add_entry(struct tables *tables, size_t *count, const struct cm_option *option,
		      int value)
{
	char *end = tables->letters + strlen(tables->letters);

	tables->names[(*count)++] = (struct option){
	    option->name, option->argument != NULL ? required_argument : no_argument, NULL, value};
	if (option->letter == 0)
		return;
	*end++ = option->letter;
	if (option->argument != NULL)
		*end++ = ':';
	*end = '\0';
}

static void make_tables(const struct cm_option *options, struct tables *tables)
{
	size_t count = 0;

	memset(tables, 0, sizeof(*tables));
	for (; options[count].name != NULL; count++)
		;
	assert(count <= CM_OPTIONS_MAX);
	count = 0;
	for (const struct cm_option *option = options; option->name != NULL; option++)
		add_entry(tables, &count, option, ENTRY + (int)(option - options));
	for (const struct cm_option *option = always; option->name != NULL; option++)
		add_entry(tables, &count, option, option->letter);
}

/* The entry for the result of getopt_long(): an index in the table, or a letter. */
static const struct cm_option *find_entry(const struct cm_option *options, int value)
{
	if (value >= ENTRY)
		return &options[value - ENTRY];
	while (options->letter != value)
		options++;
	return options;
}

static bool set_option(const struct cm_command_line *line, int value)
{
	const struct cm_option *option = find_entry(line->options, value);
	struct cm_error err;

	if (option->set(option, optarg, &err))
		return true;
	cm_options_complain(line->program, "--%s %s: %s", option->name, optarg, err.text);
	return false;
}

/* Checks the number of words. */
static int check_arguments(const struct cm_command_line *line, int count, char **words)
{
	if (count > line->arguments_max)
		return cm_options_complain(line->program, "unexpected argument: %s",
					   words[line->arguments_max]);
	if (count < line->arguments_min)
		return cm_options_complain(line->program, "too few arguments");
	return -1;
}

int cm_options_parse(const struct cm_command_line *line, int argc, char **argv, char ***arguments_r)
{
	struct tables tables;
	int value;

	make_tables(line->options, &tables);
	optind = 0; /* getopt_long() must start again for a subcommand's line */
	argv[0] = (char *)line->program; /* getopt_long() begins its messages with it */
	while ((value = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		switch (value) {
		case 'h':
			print_help(line);
			return cm_options_flush(line->program, 0);
		case 'V':
			printf("%s " CM_VERSION "\n", line->program);
			return cm_options_flush(line->program, 0);
		case '?':
			suggest_help(line->program);
			return CM_OPTIONS_WRONG;
		default:
			if (!set_option(line, value))
				return CM_OPTIONS_WRONG;
		}
	}
	if (arguments_r != NULL)
		*arguments_r = argv + optind;
	return check_arguments(line, argc - optind, argv + optind);
}
