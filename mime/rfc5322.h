/*
 * rfc5322 - the lexical elements of header text, independent of the locale
 */
#ifndef CM_RFC5322_H
#define CM_RFC5322_H

#include <stdbool.h>
#include <stddef.h>

char cm_lower(char c);
bool cm_is_alphanumeric(char c);

/* Space, tab, CR or LF. */
static inline bool cm_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Which comments are allowed. */
enum cm_comments {
	CM_COMMENTS_NONE,
	CM_COMMENTS_PLAIN, /* without text that a reader without support for comments would treat as
			      an address */
	CM_COMMENTS_ANY,
};

/* The length of the line break at c together with the white space after it; 0: it is not
   folding (RFC 5322 3.2.2). */
size_t cm_fold_length(const char *c);

/* Moves *at over folding white space (RFC 5322 3.2.2: a line break counts only with white
   space after it) and comments. False for an invalid line break or comment, or for a comment
   that is not allowed. */
bool cm_skip_cfws(const char **at, enum cm_comments comments);

/* Trims spaces, tabs and line breaks at both ends: returns the start, changes *length. */
const char *cm_trim(const char *text, size_t *length);

/* True if the trimmed text is `expected`, any case. */
bool cm_text_is(const char *text, const char *expected);

/* The bytes of an identifier "<left@right>" (RFC 5322 3.6.4) at the start of text, without
   white space, comments, quoted strings and encoded words; 0: other text, or more than
   CM_MESSAGE_ID_MAX. */
#define CM_MESSAGE_ID_MAX 250
size_t cm_message_id_length(const char *text);

/* True for a field name (RFC 5322 2.2) without other bytes. */
bool cm_header_name_valid(const char *name, size_t length);

/* NULL, or the fault in a value's bytes: control bytes, line breaks without folding. */
const char *cm_header_value_check(const char *value);

/* NULL, or the fault in its line breaks: each must be folding (RFC 5322 2.2.3). */
const char *cm_header_line_breaks_check(const char *value);

#endif
