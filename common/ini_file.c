/*
 * ini_file - reads an ini file with inih, lines of any length
 */
#include "ini_file.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What inih is given for a semicolon after a blank. */
#define HIDDEN_SEMICOLON '\x01'

struct reader {
	const char *path;
	FILE *stream;
	char *buffer; /* of getline() */
	size_t buffer_size;
	const char *rest;            /* of a long line that inih has had the start of; NULL: none */
	unsigned int line;           /* being parsed; 1 is the first */
	bool continues;              /* the line being parsed continues a value */
	unsigned int *line_of_piece; /* inih's lines are our pieces of lines */
	size_t pieces, room_for_pieces;
	bool failed;
	cm_ini_pair_fn *pair;
	void *context;
	struct cm_error *err;
};

static bool fail(struct reader *reader, const char *what)
{
	cm_error_set(reader->err, "%s:%u: %s", reader->path, reader->line, what);
	reader->failed = true;
	return false;
}

/* Leaves of a line what means something: no white space at its end, nothing of a comment, nothing
   after a section. inih takes a semicolon after a blank for the start of a comment, upstream's
   reader takes it for a part of the value: it is hidden. */
static void tidy(char *text)
{
	char *start = text + strspn(text, " \t");
	size_t length = strlen(text);

	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		text[--length] = '\0';
	if (*start == '#' || *start == ';')
		text[0] = '\0';
	else if (text[0] == '[' && strchr(text, ']') != NULL)
		strchr(text, ']')[1] = '\0';
	for (char *byte = start; *byte != '\0'; byte++)
		if (*byte == ';' && (byte[-1] == ' ' || byte[-1] == '\t'))
			*byte = HIDDEN_SEMICOLON;
}

/* Takes back what tidy() hid, in inih's own buffer. */
static const char *reveal(const char *text)
{
	for (char *byte = (char *)text; *byte != '\0'; byte++)
		if (*byte == HIDDEN_SEMICOLON)
			*byte = ';';
	return text;
}

static bool next_line(struct reader *reader)
{
	ssize_t length = getline(&reader->buffer, &reader->buffer_size, reader->stream);
	char *text = reader->buffer;

	if (length < 0)
		return false;
	reader->line++;
	if (strlen(text) != (size_t)length)
		return fail(reader, "there is a NUL byte");
	if (strchr(text, HIDDEN_SEMICOLON) != NULL)
		return fail(reader, "there is a control character");
	if (reader->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	tidy(text);
	reader->rest = text;
	return true;
}

/* Remembers in which line inih's next line is. */
static bool count_piece(struct reader *reader)
{
	if (reader->pieces == reader->room_for_pieces) {
		size_t room = reader->room_for_pieces * 2 + 256;
		unsigned int *grown =
		    reallocarray(reader->line_of_piece, room, sizeof(*reader->line_of_piece));

		if (grown == NULL)
			return fail(reader, "out of memory");
		reader->line_of_piece = grown;
		reader->room_for_pieces = room;
	}
	reader->line_of_piece[reader->pieces++] = reader->line;
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
 * again by the caller.
 */
static char *read_line(char *buffer, int size, void *context)
{
	struct reader *reader = context;
	size_t room = (size_t)size - 2; /* for a newline and the NUL */
	const char *end = NULL;
	size_t length;

	if (reader->failed || (reader->rest == NULL && !next_line(reader)) || !count_piece(reader))
		return NULL;
	reader->continues = reader->rest[0] == ' ' || reader->rest[0] == '\t';
	length = strlen(reader->rest);
	if (length > room) {
		end = find_cut(reader->rest, room);
		if (end == NULL) {
			fail(reader, "this line is too long, and has no blank");
			return NULL;
		}
		length = (size_t)(end - reader->rest);
	}
	memcpy(buffer, reader->rest, length);
	buffer[length] = '\n';
	buffer[length + 1] = '\0';
	reader->rest = end;
	return buffer;
}

static int handle_pair(void *context, const char *section, const char *name, const char *value)
{
	struct reader *reader = context;

	if (!reader->failed)
		reader->failed = !reader->pair(reader->context, reader->line, section, reveal(name),
					       reveal(value), reader->continues, reader->err);
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
		reader.line = result > 0 ? reader.line_of_piece[result - 1] : reader.line;
		fail(&reader, "this is neither 'key = value' nor a comment");
	}
	fclose(reader.stream);
	free(reader.buffer);
	free(reader.line_of_piece);
	return !reader.failed;
}
