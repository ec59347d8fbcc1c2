#include "field_writer.h"

#include <stdlib.h>
#include <string.h>

/* Longest value in bytes: together with the field's name, it must fit into one packet of the
   milter protocol (65,535 bytes). */
#define WRITTEN_MAX 60000

#define LINE_LENGTH 78
#define FIRST_SIZE  256

void cm_field_writer_begin(struct cm_field_writer *writer, size_t name_length)
{
	writer->length = 0;
	writer->column = name_length + 1;
	writer->too_long = writer->failed = false;
}

void cm_field_writer_free(struct cm_field_writer *writer)
{
	free(writer->text);
	*writer = (struct cm_field_writer){.sender = writer->sender};
}

static void append(struct cm_field_writer *writer, const char *text, size_t length)
{
	size_t size = writer->size > 0 ? writer->size : FIRST_SIZE;
	char *grown;

	if (writer->failed || writer->too_long)
		return;
	if (length > CM_WORD_MAX || length > WRITTEN_MAX - writer->length) {
		writer->too_long = true;
		return;
	}
	while (size - writer->length <= length)
		size *= 2;
	if (size != writer->size) {
		grown = realloc(writer->text, size);
		if (grown == NULL) {
			writer->failed = true;
			return;
		}
		writer->text = grown;
		writer->size = size;
	}
	memcpy(writer->text + writer->length, text, length);
	writer->length += length;
	writer->text[writer->length] = '\0';
	writer->column += length;
}

void cm_field_writer_word(struct cm_field_writer *writer, const char *word, size_t length)
{
	bool folds = writer->length > 0 && writer->column + 1 + length > LINE_LENGTH;

	append(writer, folds ? "\n " : " ", folds ? 2 : 1);
	if (folds)
		writer->column = 1;
	append(writer, word, length);
}

void cm_field_writer_append(struct cm_field_writer *writer, const char *text)
{
	append(writer, text, strlen(text));
}
