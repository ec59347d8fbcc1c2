/*
 * ini_file - reads an ini file with inih, lines of any length
 */
#include "ini_file.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *path;
	FILE *stream;
	char *buffer; /* of getline() */
	size_t buffer_size;
	const char *rest;  /* of a long line that inih has had the start of; NULL: none */
	unsigned int line; /* being parsed; 1 is the first */
	bool continues;    /* the line being parsed continues a value */
	bool failed;
	cm_ini_pair_fn *pair;
	void *context;
	struct cm_error *err;
};

static bool next_line(struct reader *reader)
{
	ssize_t length = getline(&reader->buffer, &reader->buffer_size, reader->stream);

	if (length < 0)
		return false;
	reader->line++;
	reader->rest = reader->buffer;
	if (strlen(reader->buffer) != (size_t)length) {
		cm_error_set(reader->err, "%s:%u: there is a NUL byte", reader->path, reader->line);
		reader->failed = true;
	}
	return true;
}

/* Where a long line may be cut: before the last blank that does not stand before a comment sign.
   NULL if there is none. */
static const char *find_cut(const char *text, size_t room)
{
	for (const char *cut = text + room; cut > text + 1; cut--)
		if ((*cut == ' ' || *cut == '\t') && strchr(" \t#;", cut[1]) == NULL)
			return cut;
	return NULL;
}

/*
 * inih has a small fixed buffer and drops what is longer. So a longer line is handed over in
 * pieces that are cut at a blank; the later ones look like continuation lines and are joined
 * again by the caller. A comment becomes an empty line.
 */
static char *read_line(char *buffer, int size, void *context)
{
	struct reader *reader = context;
	size_t room = (size_t)size - 2; /* for a newline and the NUL */
	size_t length;

	if (reader->failed || (reader->rest == NULL && !next_line(reader)) || reader->failed)
		return NULL;
	reader->continues = reader->rest[0] == ' ' || reader->rest[0] == '\t';
	length = strcspn(reader->rest, "\n");
	if (strchr("#;", reader->rest[strspn(reader->rest, " \t")]) != NULL)
		length = 0;
	if (length > room) {
		const char *cut = find_cut(reader->rest, room);

		if (cut == NULL) {
			cm_error_set(reader->err, "%s:%u: this line is too long, and has no blank",
				     reader->path, reader->line);
			reader->failed = true;
			return NULL;
		}
		length = (size_t)(cut - reader->rest);
		memcpy(buffer, reader->rest, length);
		reader->rest = cut;
	} else {
		memcpy(buffer, reader->rest, length);
		reader->rest = NULL;
	}
	buffer[length] = '\n';
	buffer[length + 1] = '\0';
	return buffer;
}

static int handle_pair(void *context, const char *section, const char *name, const char *value)
{
	struct reader *reader = context;

	if (!reader->failed)
		reader->failed = !reader->pair(reader->context, reader->line, section, name, value,
					       reader->continues, reader->err);
	return !reader->failed;
}

bool cm_ini_file_read(const char *path, cm_ini_pair_fn *pair, void *context, struct cm_error *err)
{
	struct reader reader = {.path = path, .pair = pair, .context = context, .err = err};
	int result;

	reader.stream = fopen(path, "re");
	if (reader.stream == NULL) {
		cm_error_set_errno(err, "%s: cannot be read", path);
		return false;
	}
	result = ini_parse_stream(read_line, &reader, handle_pair, &reader);
	if (!reader.failed && ferror(reader.stream)) {
		cm_error_set_errno(err, "%s: cannot be read", path);
		reader.failed = true;
	} else if (!reader.failed && result != 0) {
		cm_error_set(err, "%s:%d: this is neither 'key = value' nor a comment", path,
			     result);
		reader.failed = true;
	}
	fclose(reader.stream);
	free(reader.buffer);
	return !reader.failed;
}
