#include "from_header.h"

#include "rfc5322.h"

#include <string.h>

#define NO_ADDRESS "a From header without one plain address"

/* RFC 5322 3.2.3 atext, the dot of obsolete phrases (4.1), and bytes above ASCII. */
static bool is_phrase(char c)
{
	return (unsigned char)c >= 0x80 || cm_is_alphanumeric(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* The end of the quoted string at `at`, which may be folded (RFC 5322 3.2.4). */
static const char *skip_quoted(const char *at)
{
	for (at++; *at != '"'; at++) {
		at += cm_fold_length(at);
		if (*at == '"')
			break;
		if (*at == '\\')
			at++;
		if (*at == '\0' || *at == '\r' || *at == '\n')
			return NULL;
	}
	return at + 1;
}

/* Some readers, such as Delta Chat's, do not support comments: in "(<a@b.test>, ) c@d.test"
   they see two addresses. */
static bool skip_space(const char **at)
{
	return cm_skip_cfws(at, CM_COMMENTS_PLAIN);
}

/* Moves *at over a display name to its '<'. False if there is no such name. A phrase begins
   with a word, not with a dot (RFC 5322 4.1): GMime misreads such a dot, and leaks memory. */
static bool skip_display_name(const char **at)
{
	const char *c = *at;

	if (*c == '.')
		return false;
	while (*c != '<') {
		if (*c == '"') {
			c = skip_quoted(c);
			if (c == NULL)
				return false;
		} else if (is_phrase(*c)) {
			c++;
		} else {
			return false;
		}
		if (!skip_space(&c))
			return false;
	}
	*at = c;
	return true;
}

static bool read_bare(const char **at, struct cm_address *address_r)
{
	const char *end = **at == '"' ? skip_quoted(*at) : *at;

	if (end == NULL)
		return false;
	end += strcspn(end, " \t\r\n(<>,;\"");
	if (!cm_address_parse_quoted(*at, (size_t)(end - *at), address_r))
		return false;
	*at = end;
	return true;
}

static bool read_bracketed(const char **at, struct cm_address *address_r)
{
	size_t length = strcspn(*at + 1, ">");

	if ((*at)[1 + length] != '>' || !cm_address_parse_quoted(*at + 1, length, address_r))
		return false;
	*at += length + 2;
	return true;
}

/* Some programs write the address in place of a missing name. */
static bool read_with_its_own_name(const char **at, struct cm_address *address_r)
{
	struct cm_address name;

	if (!read_bare(at, &name) || !skip_space(at))
		return false;
	*address_r = name;
	return **at != '<' || (read_bracketed(at, address_r) && cm_address_equal(&name, address_r));
}

const char *cm_from_parse(const char *value, struct cm_address *address_r)
{
	static const char misplaced[] =
	    "a comment or a line break in From that is not allowed there";
	const char *at = value;
	const char *name;

	if (strlen(value) > CM_FROM_MAX)
		return "a From header that is too long";
	if (!skip_space(&at))
		return misplaced;
	name = at;
	if (skip_display_name(&name)) {
		at = name;
		if (!read_bracketed(&at, address_r))
			return NO_ADDRESS;
	} else if (!read_with_its_own_name(&at, address_r)) {
		return NO_ADDRESS;
	}
	if (cm_address_has_encoded_word(address_r))
		return NO_ADDRESS;
	if (!skip_space(&at))
		return misplaced;
	return *at == '\0' ? NULL : "something after the address in From";
}
