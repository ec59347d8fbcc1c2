#include "rfc5322.h"

#include <string.h>
#include <strings.h>

/* Comments may be nested (RFC 5322 3.2.2); deeper nesting is an attack. */
#define COMMENT_DEPTH_MAX 8

char cm_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cm_is_alphanumeric(char c)
{
	c = cm_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

size_t cm_fold_length(const char *c)
{
	size_t length = c[0] == '\r' ? 1 : 0;

	if (c[length] != '\n')
		return 0;
	length++;
	return c[length] == ' ' || c[length] == '\t' ? length + 1 : 0;
}

static bool skip_comment(const char **at, enum cm_comments comments)
{
	const char *c = *at;
	unsigned int depth = 0;

	for (;;) {
		size_t fold = cm_fold_length(c);

		if (fold > 0) {
			c += fold;
			continue;
		}
		if (*c == '(' && ++depth > COMMENT_DEPTH_MAX)
			return false;
		if (*c == '\\')
			c++;
		else if (*c == ')' && --depth == 0)
			break;
		if (*c == '\0' || *c == '\r' || *c == '\n')
			return false;
		if (comments == CM_COMMENTS_PLAIN && strchr("<>@,;:\"", *c) != NULL)
			return false;
		c++;
	}
	*at = c + 1;
	return true;
}

bool cm_skip_cfws(const char **at, enum cm_comments comments)
{
	for (;;) {
		size_t fold;

		if ((unsigned char)**at > '(')
			return true; /* most bytes are such */
		fold = cm_fold_length(*at);
		if (fold > 0) {
			*at += fold;
		} else if (**at == ' ' || **at == '\t') {
			(*at)++;
		} else if (**at == '\r' || **at == '\n') {
			return false;
		} else if (**at == '(') {
			if (comments == CM_COMMENTS_NONE || !skip_comment(at, comments))
				return false;
		} else {
			return true;
		}
	}
}

const char *cm_trim(const char *text, size_t *length)
{
	while (*length > 0 && cm_is_space(text[*length - 1]))
		(*length)--;
	while (*length > 0 && cm_is_space(*text)) {
		text++;
		(*length)--;
	}
	return text;
}

bool cm_text_is(const char *text, const char *expected)
{
	size_t length = strlen(text);

	text = cm_trim(text, &length);
	return length == strlen(expected) && strncasecmp(text, expected, length) == 0;
}

/* RFC 5322 3.2.3 atext and dots, and other bytes that occur in identifiers: all that is
   printable except these. */
static bool is_id(char c)
{
	switch (c) {
	case '"':
	case '(':
	case ')':
	case ',':
	case ';':
	case '<':
	case '>':
	case '\\':
		return false;
	default:
		return c > ' ' && c < 0x7f;
	}
}

size_t cm_message_id_length(const char *text)
{
	const char *at = NULL;
	size_t length = 1;

	if (*text != '<')
		return 0;
	for (; is_id(text[length]); length++) {
		if (text[length] == '@' && at == NULL)
			at = text + length;
		if (text[length] == '=' && text[length + 1] == '?')
			return 0;
	}
	if (text[length] != '>' || at == NULL || at == text + 1 || at == text + length - 1 ||
	    length >= CM_MESSAGE_ID_MAX)
		return 0;
	return length + 1;
}

bool cm_header_name_valid(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == ':')
			return false;
	}
	return length > 0;
}

const char *cm_header_line_breaks_check(const char *value)
{
	for (const char *c = value; (c = strpbrk(c, "\r\n")) != NULL; c++) {
		if (*c == '\r' && c[1] != '\n')
			return "a bare CR in a header";
		if (*c == '\n' && c[1] != ' ' && c[1] != '\t')
			return "a line break in a header that is not folding";
	}
	return NULL;
}

const char *cm_header_value_check(const char *value)
{
	for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
		if ((*c < ' ' && *c != '\t' && *c != '\r' && *c != '\n') || *c == 0x7f)
			return "a control byte in a header";
	}
	return cm_header_line_breaks_check(value);
}
