/*
 * decoded - a receiver of lines that keeps them as one text
 */
#ifndef TEST_DECODED_H
#define TEST_DECODED_H

#include "support.h"

struct decoded {
	char text[4096]; /* each line is followed by '|'; no NUL at the end */
	size_t length;
};

/* Adds a line; context is a struct decoded. */
static bool decoded_add(void *context, const char *line, size_t length)
{
	struct decoded *decoded = context;

	assert_true(decoded->length + length + 1 < sizeof(decoded->text));
	memcpy(decoded->text + decoded->length, line, length);
	decoded->length += length;
	decoded->text[decoded->length++] = '|';
	return true;
}

#endif
