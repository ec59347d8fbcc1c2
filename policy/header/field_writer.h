/*
 * field_writer - the value of a header field, written word by word and folded
 *
 * No line is longer than 78 bytes (RFC 5322 2.1.1) unless a single word is; CM_WORD_MAX keeps
 * such a line below the 998 bytes that SMTP carries.
 */
#ifndef CM_FIELD_WRITER_H
#define CM_FIELD_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

/* Longest word in bytes. */
#define CM_WORD_MAX 900

struct cm_field_writer {
	const struct cm_address
	    *sender; /* of the message, for the fields about the sender; or NULL */
	char *text;  /* NUL-terminated if length is not 0 */
	size_t length, size;
	size_t column; /* of the current line, including the field's name and colon */
	bool too_long; /* a word or the value exceeds its bound */
	bool failed;   /* out of memory */
};

/* Begins a value with a writer that is zeroed but for its sender, or a further one. name_length:
   bytes of the field's name. */
void cm_field_writer_begin(struct cm_field_writer *writer, size_t name_length);
void cm_field_writer_free(struct cm_field_writer *writer);

/* Appends a space, or a line break and a space, and the word. */
void cm_field_writer_word(struct cm_field_writer *writer, const char *word, size_t length);

/* Appends to the last word, for its punctuation. */
void cm_field_writer_append(struct cm_field_writer *writer, const char *text);

#endif
