/*
 * utf8 - checks of UTF-8
 */
#ifndef CM_UTF8_H
#define CM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed UTF-8 sequence (RFC 3629 4) of two bytes or more at the start
   of text, of length > 0; 0 if text starts otherwise. 0 also for white space, control characters,
   characters without a glyph, private ones, and those for which some programs put ASCII
   characters (Unicode's compatibility decompositions): in an address they hide another one. */
size_t cm_utf8_plain_length(const unsigned char *text, size_t length);

/* True if all of it is UTF-8 without control characters; a tab is allowed. */
bool cm_utf8_printable(const char *text);

#endif
