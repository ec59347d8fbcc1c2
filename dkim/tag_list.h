/*
 * tag_list - the "name=value; name=value" lists of DKIM (RFC 6376 3.2)
 *
 * DKIM-Signature fields and key records are such lists. The parser is strict where RFC 6376 is: a
 * list with a syntax error, or with one name given twice, is an error. Names are case-sensitive.
 * Nothing is copied: a list points into its text, which must outlive it.
 */
#ifndef CM_TAG_LIST_H
#define CM_TAG_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A list of more tags is refused; RFC 6376 and its extensions define less than half as many. */
#define CM_TAG_LIST_MAX 32

struct cm_tag {
	const char *name;
	size_t name_length;
	const char *value; /* without the white space around it; inner folding is left */
	size_t value_length;
	const char *raw; /* everything between '=' and ';' */
	size_t raw_length;
};

struct cm_tag_list {
	struct cm_tag tag[CM_TAG_LIST_MAX];
	size_t count;
};

/* Parses exactly length bytes. False if they are not a tag list; an empty text is not one. */
bool cm_tag_list_parse(const char *text, size_t length, struct cm_tag_list *list_r);

/* The tag of that name, or NULL. */
const struct cm_tag *cm_tag_list_find(const struct cm_tag_list *list, const char *name);

/* True if the value is the word, ASCII case ignored (literals of RFC 5234 are
   case-insensitive). */
bool cm_tag_is(const struct cm_tag *tag, const char *word);

/* True if the word is one of those separated by ':', as in h= and s= of a key. */
bool cm_tag_has_word(const struct cm_tag *tag, const char *word);

/* The next word of a ':' list, without white space around it: starts with *position = 0, false
   after the last. A word may be empty. */
bool cm_tag_next_word(const struct cm_tag *tag, size_t *position, const char **word_r,
		      size_t *length_r);

/* Decodes a base64 value, white space inside it ignored, padding optional. False if it is not
   base64, is empty, or is longer than size. */
bool cm_tag_base64(const struct cm_tag *tag, unsigned char *out, size_t size, size_t *length_r);

#endif
