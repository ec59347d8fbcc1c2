#include "command.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "options.h"

/* The length of the longest name. */
static int name_width(const struct cm_command *table)
{
	size_t width = 0;

	for (; table->name != NULL; table++)
		if (strlen(table->name) > width)
			width = strlen(table->name);
	return (int)width;
}

static void print_usage(const struct cm_command *table, const char *summary, const char *program,
			FILE *stream)
{
	int width = name_width(table);

	fprintf(stream,
		"usage: %s COMMAND [OPTION]...\n"
		"       %s COMMAND --help\n"
		"\n%s\n\n",
		program, program, summary);
	for (; table->name != NULL; table++)
		fprintf(stream, "  %-*s  %s\n", width, table->name, table->summary);
}

static bool is_option(const char *word, const char *name, const char *letter)
{
	return strcmp(word, name) == 0 || strcmp(word, letter) == 0;
}

int cm_command_run(const struct cm_command *table, const char *summary, int argc, char **argv)
{
	const char *program = argv[0];
	char name[64];

	if (argc < 2) {
		print_usage(table, summary, program, stderr);
		return CM_EXIT_TROUBLE;
	}
	if (is_option(argv[1], "--help", "-h")) {
		print_usage(table, summary, program, stdout);
		return cm_options_flush(program, CM_EXIT_OK);
	}
	if (is_option(argv[1], "--version", "-V")) {
		printf("%s " CM_VERSION "\n", program);
		return cm_options_flush(program, CM_EXIT_OK);
	}
	for (; table->name != NULL; table++) {
		if (strcmp(argv[1], table->name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", program, table->name);
		argv[1] = name;
		return cm_options_flush(name, table->run(argc - 1, argv + 1));
	}
	return cm_options_complain(program, "unknown command %s", argv[1]);
}

int cm_command_fail(const char *program, const struct cm_error *err)
{
	fprintf(stderr, "%s: %s\n", program, err->text);
	return CM_EXIT_TROUBLE;
}

void cm_command_warn(const char *program, const char *text)
{
	fprintf(stderr, "%s: warning: %s\n", program, text);
}

static void warn(const char *text, void *context)
{
	cm_command_warn(context, text);
}

struct cm_config *cm_command_read_config(const char *program, const char *path,
					 struct cm_error *err)
{
	return cm_config_load(path, program != NULL ? warn : NULL, (void *)program, err);
}

struct cm_config *cm_command_read_config_text(const char *program, const char *text, size_t length,
					      struct cm_error *err)
{
	struct cm_config *config = NULL;
	char path[64];
	int fd = memfd_create("chatmail.ini", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length) {
		cm_error_set_errno(err, "chatmail.ini: out of memory");
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		config = cm_command_read_config(program, path, err);
	}
	if (fd >= 0)
		close(fd);
	return config;
}

bool cm_command_set_root(const struct cm_option *option, const char *text, struct cm_error *err)
{
	(void)err;
	*(const char **)option->value = strcmp(text, "/") == 0 ? "" : text;
	return true;
}
