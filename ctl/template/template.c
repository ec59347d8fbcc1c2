/*
 * One pass over the lines. The decisions of the surrounding %if lines are a stack of branches; a
 * line is written only if every branch around it is taken.
 */
#include "template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deepest nesting of %if. */
#define TEMPLATE_DEPTH 8

/* Longest name of a setting. */
#define NAME_MAX_LENGTH 63

struct branch {
	bool taken;    /* the current half is written */
	bool has_else; /* %else was seen */
	unsigned int line;
};

struct rendering {
	const char *file;
	unsigned int line;
	cm_template_value_fn *value;
	void *context;
	FILE *output;
	struct branch branches[TEMPLATE_DEPTH];
	size_t depth;
	struct cm_error *err;
};

static bool render_line(struct rendering *rendering, const char *line, size_t length);
static bool directive(struct rendering *rendering, const char *line, size_t length);
static bool open_branch(struct rendering *rendering, const char *name, size_t length);
static bool substitute(struct rendering *rendering, const char *line, size_t length);
static const char *look_up(struct rendering *rendering, const char *name, size_t length);
static bool written(const struct rendering *rendering);
static bool truth(const char *value);

char *cm_template_render(const char *file, const char *text, cm_template_value_fn *value,
			 void *context, struct cm_error *err)
{
	struct rendering rendering = {.file = file, .value = value, .context = context, .err = err};
	char *result = NULL;
	size_t size;
	bool good = true;

	rendering.output = open_memstream(&result, &size);
	if (rendering.output == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	while (good && *text != '\0') {
		size_t length = strcspn(text, "\n");
		size_t whole = length + (text[length] == '\n');

		rendering.line++;
		good = render_line(&rendering, text, whole);
		text += whole;
	}
	if (good && rendering.depth > 0) {
		cm_error_set(err, "%s:%u: this %%if has no %%end", file,
			     rendering.branches[rendering.depth - 1].line);
		good = false;
	}
	if (good && (ferror(rendering.output) || fflush(rendering.output) != 0)) {
		cm_error_set(err, "out of memory");
		good = false;
	}
	fclose(rendering.output);
	if (!good) {
		free(result);
		return NULL;
	}
	return result;
}

/* A line with its newline. */
static bool render_line(struct rendering *rendering, const char *line, size_t length)
{
	if (line[0] == '%' && length > 1 && line[1] >= 'a' && line[1] <= 'z')
		return directive(rendering, line, length);
	return !written(rendering) || substitute(rendering, line, length);
}

static bool directive(struct rendering *rendering, const char *line, size_t length)
{
	struct branch *branch;

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == ' '))
		length--;
	if (length > 4 && strncmp(line, "%if ", 4) == 0)
		return open_branch(rendering, line + 4, length - 4);
	branch = rendering->depth > 0 ? &rendering->branches[rendering->depth - 1] : NULL;
	if (length == 5 && strncmp(line, "%else", 5) == 0) {
		if (branch == NULL || branch->has_else) {
			cm_error_set(rendering->err, "%s:%u: %%else without %%if", rendering->file,
				     rendering->line);
			return false;
		}
		branch->has_else = true;
		branch->taken = !branch->taken;
		return true;
	}
	if (length == 4 && strncmp(line, "%end", 4) == 0) {
		if (branch == NULL) {
			cm_error_set(rendering->err, "%s:%u: %%end without %%if", rendering->file,
				     rendering->line);
			return false;
		}
		rendering->depth--;
		return true;
	}
	cm_error_set(rendering->err, "%s:%u: unknown directive: %.*s", rendering->file,
		     rendering->line, (int)length, line);
	return false;
}

static bool open_branch(struct rendering *rendering, const char *name, size_t length)
{
	bool negated = name[0] == '!';
	struct branch *branch;
	const char *value;

	if (rendering->depth == TEMPLATE_DEPTH) {
		cm_error_set(rendering->err, "%s:%u: %%if nested deeper than %d", rendering->file,
			     rendering->line, TEMPLATE_DEPTH);
		return false;
	}
	value = look_up(rendering, name + negated, length - negated);
	if (value == NULL)
		return false;
	branch = &rendering->branches[rendering->depth++];
	*branch = (struct branch){.taken = truth(value) != negated, .line = rendering->line};
	return true;
}

static bool substitute(struct rendering *rendering, const char *line, size_t length)
{
	const char *end = line + length;

	while (line < end) {
		const char *open = memmem(line, (size_t)(end - line), "{{", 2);
		const char *close, *value;

		if (open == NULL) {
			fwrite(line, 1, (size_t)(end - line), rendering->output);
			return true;
		}
		close = memmem(open, (size_t)(end - open), "}}", 2);
		if (close == NULL) {
			cm_error_set(rendering->err, "%s:%u: {{ without }}", rendering->file,
				     rendering->line);
			return false;
		}
		value = look_up(rendering, open + 2, (size_t)(close - open - 2));
		if (value == NULL)
			return false;
		fwrite(line, 1, (size_t)(open - line), rendering->output);
		fputs(value, rendering->output);
		line = close + 2;
	}
	return true;
}

static const char *look_up(struct rendering *rendering, const char *name, size_t length)
{
	char copy[NAME_MAX_LENGTH + 1];
	const char *value = NULL;

	if (length <= NAME_MAX_LENGTH) {
		memcpy(copy, name, length);
		copy[length] = '\0';
		value = rendering->value(copy, rendering->context);
	}
	if (value == NULL)
		cm_error_set(rendering->err, "%s:%u: unknown setting %.*s", rendering->file,
			     rendering->line, (int)length, name);
	return value;
}

static bool written(const struct rendering *rendering)
{
	for (size_t i = 0; i < rendering->depth; i++)
		if (!rendering->branches[i].taken)
			return false;
	return true;
}

static bool truth(const char *value)
{
	return value[0] != '\0' && strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}
