/*
 * messages - encrypted messages for unit tests, fuzz seeds and the benchmark
 *
 * Everything returned is malloc'd; running out of memory aborts.
 */
#ifndef CM_TEST_MESSAGES_H
#define CM_TEST_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

/* The form of an armor. */
struct test_armor {
	const char *headers; /* lines with their ends, or "" */
	unsigned int columns;
	bool checksum;
	bool padding;
};

/* As Delta Chat writes it: 64 columns, padding, checksum. */
extern const struct test_armor test_armor_usual;

/* A PKESK (new format) and a SEIPD version 1 with `length` bytes of body and no partial lengths. */
unsigned char *test_payload(size_t length, size_t *length_r);

/* Lines end in LF. */
char *test_armored(const unsigned char *data, size_t length, const struct test_armor *how);

/* A message of Delta Chat with this armor; lines end in LF, the boundary is "abc", From is
   alice@relay.test. */
char *test_encrypted_message(const char *armor);

/* A copy of text with the first `old` replaced. Aborts if text does not contain it. */
char *test_replaced(const char *text, const char *old, const char *new);

/* A copy with CRLF for LF. \2 becomes NUL, so the length is returned as well. */
char *test_wire(const char *text, size_t *length_r);

#endif
