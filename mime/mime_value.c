#include "mime_value.h"

#include "rfc5322.h"

#include <string.h>

struct reader {
	const char *at;
	bool strict;
	bool unusual, comment; /* as in struct cm_mime_value */
	const char *why;
};

static bool refuse(struct reader *reader, const char *why)
{
	if (reader->why == NULL)
		reader->why = why;
	return false;
}

/* RFC 2045 5.1: token characters. */
static bool is_token(char c)
{
	switch (c) {
	case '(':
	case ')':
	case '<':
	case '>':
	case '@':
	case ',':
	case ';':
	case ':':
	case '\\':
	case '"':
	case '/':
	case '[':
	case ']':
	case '?':
	case '=':
		return false;
	default:
		return c > ' ' && c < 0x7f;
	}
}

static bool skip_space(struct reader *reader)
{
	const char *start = reader->at;

	if (!cm_skip_cfws(&reader->at, reader->strict ? CM_COMMENTS_NONE : CM_COMMENTS_ANY))
		return refuse(reader, "a comment or a line break that is not allowed here");
	if (reader->at != start && memchr(start, '(', (size_t)(reader->at - start)) != NULL)
		reader->unusual = reader->comment = true;
	return true;
}

static bool read_token(struct reader *reader, char *out, size_t size)
{
	size_t length = 0;

	while (is_token(reader->at[length]))
		length++;
	if (length == 0)
		return refuse(reader, "a value whose form RFC 2045 does not allow");
	if (length >= size)
		return refuse(reader, "a value or a parameter's name that is too long");
	for (size_t i = 0; i < length; i++)
		out[i] = cm_lower(reader->at[i]);
	out[length] = '\0';
	reader->at += length;
	return true;
}

/* The text of a quoted string, after its opening quote. */
static bool read_quoted(struct reader *reader, char *out, size_t size)
{
	size_t length = 0;

	reader->at++;
	while (*reader->at != '"') {
		unsigned char c = (unsigned char)*reader->at;

		if (c == '\\') {
			if (reader->strict)
				return refuse(reader, "a backslash in a parameter");
			reader->unusual = true;
			c = (unsigned char)*++reader->at;
		}
		if (c == '\0')
			return refuse(reader, "a quoted parameter without its closing quote");
		if (c == '\r' || c == '\n')
			return refuse(reader, "a line break within a quoted parameter");
		if ((c < ' ' && c != '\t') || c == 0x7f || (reader->strict && c > 0x7e))
			return refuse(reader, "a byte in a parameter that is not printable");
		reader->unusual |= c > 0x7e;
		if (length + 1 >= size)
			return refuse(reader, "a parameter that is too long");
		out[length++] = (char)c;
		reader->at++;
	}
	out[length] = '\0';
	reader->at++;
	return true;
}

static bool read_text(struct reader *reader, char *out, size_t size)
{
	size_t length = 0;

	if (*reader->at == '"')
		return read_quoted(reader, out, size);
	/* RFC 2045 5.1 requires quotes around a '/', but protocol= of some programs has none. */
	while (is_token(reader->at[length]) ||
	       (reader->at[length] == '/' && length > 0 && !reader->strict))
		length++;
	if (memchr(reader->at, '/', length) != NULL)
		reader->unusual = true;
	if (length == 0)
		return refuse(reader, "a parameter without a value");
	if (length >= size)
		return refuse(reader, "a parameter that is too long");
	memcpy(out, reader->at, length);
	out[length] = '\0';
	reader->at += length;
	return true;
}

/* RFC 2231: "name*", "name*0", "name*0*". Readers rarely agree on these, so they are refused
   for a parameter that decides the structure, and in strict mode for all. */
static bool check_name(struct reader *reader, const struct cm_mime_value *value, const char *name)
{
	const char *star = strchr(name, '*');

	if (star != NULL) {
		size_t length = (size_t)(star - name);

		if (reader->strict)
			return refuse(reader, "an RFC 2231 parameter in an outgoing message");
		if ((length == 8 && memcmp(name, "boundary", 8) == 0) ||
		    (length == 8 && memcmp(name, "protocol", 8) == 0) ||
		    (length == 7 && memcmp(name, "charset", 7) == 0))
			return refuse(reader, "an RFC 2231 form of an important parameter");
	}
	if (cm_mime_value_parameter(value, name) != NULL)
		return refuse(reader, "a parameter given twice");
	return true;
}

/* RFC 2047 2, from its "=?" to its "?="; a boundary may contain one of them. */
static bool has_encoded_word(const char *text)
{
	const char *start = strstr(text, "=?");

	return start != NULL && strstr(start + 2, "?=") != NULL;
}

/* True if a reader that only searches the value for "boundary=" may find it in this parameter. */
static bool resembles_boundary(const char *name, const char *text)
{
	const char *found = strcasestr(text, "boundary");

	return (strcmp(name, "boundary") != 0 && strstr(name, "boundary") != NULL) ||
	       (found != NULL && found[8 + strspn(found + 8, " \t")] == '=');
}

static bool read_parameter(struct reader *reader, struct cm_mime_value *value)
{
	char name[CM_MIME_NAME_MAX + 1];
	size_t n = value->parameter_count;

	if (n == CM_MIME_PARAMETERS_MAX)
		return refuse(reader, "too many parameters");
	if (!read_token(reader, name, sizeof(name)) || !check_name(reader, value, name))
		return false;
	if (!skip_space(reader))
		return false;
	if (*reader->at != '=')
		return refuse(reader, "a parameter without '='");
	reader->at++;
	if (!skip_space(reader))
		return false;
	if (!read_text(reader, value->parameter[n].text, sizeof(value->parameter[n].text)))
		return false;
	if (reader->strict && has_encoded_word(value->parameter[n].text))
		return refuse(reader, "an encoded word in a parameter");
	if (strstr(value->parameter[n].text, "=?") != NULL ||
	    strchr(value->parameter[n].text, ';') != NULL ||
	    resembles_boundary(name, value->parameter[n].text))
		reader->unusual = true;
	memcpy(value->parameter[n].name, name, sizeof(name));
	value->parameter_count++;
	return skip_space(reader);
}

static bool read_parameters(struct reader *reader, struct cm_mime_value *value)
{
	while (*reader->at == ';') {
		reader->at++;
		if (!skip_space(reader))
			return false;
		if (*reader->at == '\0')
			return true; /* an empty parameter at the end: Delta Chat's
					Content-Disposition has one */
		if (*reader->at == ';' && !reader->strict)
			continue;
		if (!read_parameter(reader, value))
			return false;
	}
	if (*reader->at != '\0')
		return refuse(reader, "something after a value or a parameter");
	return true;
}

const char *cm_mime_value_parse(const char *text, bool slash, bool strict,
				struct cm_mime_value *value_r)
{
	struct reader reader = {.at = text, .strict = strict};
	char *out = value_r->value;

	value_r->parameter_count = 0;
	if (!skip_space(&reader) || !read_token(&reader, out, CM_MIME_NAME_MAX + 1))
		return reader.why;
	if (slash) {
		/* RFC 2045 allows no space here; a comment would be one. */
		if (*reader.at++ != '/')
			return "a content type without a subtype";
		out += strlen(out);
		*out++ = '/';
		if (!read_token(&reader, out, CM_MIME_NAME_MAX + 1))
			return reader.why;
	}
	if (!skip_space(&reader) || !read_parameters(&reader, value_r))
		return reader.why;
	value_r->unusual = reader.unusual;
	value_r->comment = reader.comment;
	return NULL;
}

const char *cm_mime_value_parameter(const struct cm_mime_value *value, const char *name)
{
	for (size_t i = 0; i < value->parameter_count; i++) {
		if (strcmp(value->parameter[i].name, name) == 0)
			return value->parameter[i].text;
	}
	return NULL;
}

bool cm_mime_boundary_valid(const char *boundary, bool strict)
{
	size_t length = strlen(boundary);

	if (length == 0 || length > CM_MIME_BOUNDARY_MAX || boundary[length - 1] == ' ')
		return false;
	for (const char *c = boundary; *c != '\0'; c++) {
		if (cm_is_alphanumeric(*c) || strchr("'()+_,-./:=?", *c) != NULL)
			continue;
		if (*c != ' ' || strict)
			return false;
	}
	return true;
}
