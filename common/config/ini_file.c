#include "ini_file.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS    " \t\r\n\v\f"
#define COMMENT   "#;"
#define UTF8_MARK "\xef\xbb\xbf"
#define NEITHER   "this is neither 'key = value' nor a comment"

struct reader {
	const char *path;
	unsigned int line; /* the first line is 1 */
	char *section;     /* malloc'd; NULL: none yet */
	char *name;        /* malloc'd, of a pair that may continue; NULL: no pair */
	cm_ini_pair_fn *pair;
	void *context;
	struct cm_error *err;
};

static bool fail(const struct reader *reader, const char *what)
{
	cm_error_set(reader->err, "%s:%u: %s", reader->path, reader->line, what);
	return false;
}

/* Replaces one of the reader's texts. */
static bool keep(const struct reader *reader, char **kept, const char *text)
{
	free(*kept);
	*kept = strdup(text);
	return *kept != NULL || fail(reader, "out of memory");
}

/* Cuts off blanks at both ends. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, BLANKS);
	length = strlen(text);
	while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
		length--;
	text[length] = '\0';
	return text;
}

static bool give_pair(const struct reader *reader, const char *value, bool continues)
{
	return reader->pair(reader->context, reader->line,
			    reader->section != NULL ? reader->section : "", reader->name, value,
			    continues, reader->err);
}

static bool read_section(struct reader *reader, char *text)
{
	char *end = strchr(text, ']');
	const char *rest;

	if (end == NULL)
		return fail(reader, "this section has no ']'");
	rest = end + 1 + strspn(end + 1, BLANKS);
	if (*rest != '\0' && strchr(COMMENT, *rest) == NULL)
		return fail(reader, "unexpected text after this section");
	*end = '\0';
	free(reader->name);
	reader->name = NULL;
	return keep(reader, &reader->section, trim(text + 1));
}

static bool read_pair(struct reader *reader, char *text)
{
	char *sign = strpbrk(text, "=:");
	const char *name;

	if (sign == NULL)
		return fail(reader, NEITHER);
	*sign = '\0';
	name = trim(text);
	if (*name == '\0')
		return fail(reader, NEITHER);
	return keep(reader, &reader->name, name) && give_pair(reader, trim(sign + 1), false);
}

static bool read_line(struct reader *reader, char *line)
{
	bool indented = *line != '\0' && strchr(BLANKS, *line) != NULL;
	char *text = trim(line);

	if (*text == '\0' || strchr(COMMENT, *text) != NULL)
		return true;
	if (indented && reader->name == NULL)
		return fail(reader, "this line is indented, but there is no value to continue");
	if (indented)
		return give_pair(reader, text, true);
	return *text == '[' ? read_section(reader, text) : read_pair(reader, text);
}

bool cm_ini_stream_read(FILE *stream, const char *path, cm_ini_pair_fn *pair, void *context,
			struct cm_error *err)
{
	struct reader reader = {.path = path, .pair = pair, .context = context, .err = err};
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool good = true;

	while (good && (length = getline(&line, &size, stream)) >= 0) {
		bool marked = reader.line++ == 0 && strncmp(line, UTF8_MARK, 3) == 0;

		good = strlen(line) == (size_t)length ? read_line(&reader, line + 3 * marked)
						      : fail(&reader, "there is a NUL byte");
	}
	if (good && !feof(stream)) {
		cm_error_set_errno(err, "%s: cannot be read", path);
		good = false;
	}
	free(line);
	free(reader.section);
	free(reader.name);
	return good;
}

bool cm_ini_file_read(const char *path, cm_ini_pair_fn *pair, void *context, struct cm_error *err)
{
	FILE *stream = fopen(path, "re");
	bool good;

	if (stream == NULL) {
		cm_error_set_errno(err, "%s: cannot be read", path);
		return false;
	}
	good = cm_ini_stream_read(stream, path, pair, context, err);
	fclose(stream);
	return good;
}
