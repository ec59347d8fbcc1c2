#include "from_header.h"

#include "rfc5322.h"

#include <string.h>

#define NO_ADDRESS "a From header without one plain address"

/* RFC 5322 3.2.3 atext, the dot of obsolete phrases (4.1), and bytes above ASCII. */
static bool is_phrase(char c, bool strict)
{
	if ((unsigned char)c >= 0x80)
		return !strict;
	return cm_is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static const char *skip_quoted(const char *at)
{
	for (at++; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		if (*at == '\0' || *at == '\r' || *at == '\n')
			return NULL;
	}
	return at + 1;
}

/* Readers that know no comments are in use, Delta Chat's among them: in "(<a@b.test>, ) c@d.test"
   they see two addresses. */
static bool skip_space(const char **at, bool strict)
{
	return cm_skip_cfws(at, strict ? CM_COMMENTS_NONE : CM_COMMENTS_PLAIN);
}

/* Moves *at over a display name to its '<'. False if that is not what stands there. */
static bool skip_display_name(const char **at, bool strict)
{
	const char *c = *at;

	while (*c != '<') {
		if (*c == '"') {
			c = skip_quoted(c);
			if (c == NULL)
				return false;
		} else if (is_phrase(*c, strict)) {
			c++;
		} else {
			return false;
		}
		if (!skip_space(&c, strict))
			return false;
	}
	*at = c;
	return true;
}

const char *cm_from_parse(const char *value, bool strict, struct cm_address *address_r)
{
	const char *at = value;
	const char *name;
	size_t length;

	if (strlen(value) > CM_FROM_MAX)
		return "a From header that is too long";
	if (!skip_space(&at, strict))
		return "a comment or a line break in From that is not allowed there";
	name = at;
	if (skip_display_name(&name, strict)) {
		at = name + 1;
		length = strcspn(at, ">");
		if (at[length] != '>' || !cm_address_parse(at, length, address_r))
			return NO_ADDRESS;
		at += length + 1;
	} else {
		length = strcspn(at, " \t\r\n(<>,;\"");
		if (!cm_address_parse(at, length, address_r))
			return NO_ADDRESS;
		at += length;
	}
	if (!skip_space(&at, strict))
		return "a comment or a line break in From that is not allowed there";
	if (*at != '\0')
		return "something after the address in From";
	return NULL;
}
