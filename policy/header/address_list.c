#include "address_list.h"

#include "address.h"
#include "rfc5322.h"

#include <string.h>

/* The element of the list that is being read. */
struct element {
	size_t length;
	char text[CM_ADDRESS_MAX + 3]; /* including the two quotes of a local part */
	bool gap;                      /* white space or a comment came after text */
	bool words;                    /* more than one word: a phrase, not an address */
	bool angle;                    /* within angle brackets */
	bool closed; /* after them: text is the address, further text is ignored */
};

static void append(struct element *element, char c)
{
	if (element->length == sizeof(element->text))
		element->words = true;
	else
		element->text[element->length++] = c;
}

/* White space is part of an address only around '@' and '.' (RFC 5322 4.4). */
static void take(struct element *element, char c)
{
	if (element->closed)
		return;
	if (element->gap && element->length > 0 && c != '@' && c != '.' &&
	    strchr("@.", element->text[element->length - 1]) == NULL)
		element->words = true;
	element->gap = false;
	append(element, c);
}

/* Moves *at over a quoted string or a domain literal. */
static bool take_until(struct element *element, const char **at, char end)
{
	const char *c = *at;

	take(element, *c++);
	for (; *c != end; c++) {
		if (*c == '\r' || *c == '\n')
			continue;
		if (*c == '\\' && c[1] != '\0' && !element->closed)
			append(element, *c++);
		if (*c == '\0')
			return false;
		if (!element->closed)
			append(element, *c);
	}
	if (!element->closed)
		append(element, end);
	*at = c + 1;
	return true;
}

static void end_of_element(struct element *element, cm_address_found_fn *found, void *context)
{
	struct cm_address address;

	/* Without SMTPUTF8, only an ASCII address can be a recipient (RFC 6532 3). */
	if (!element->words && cm_address_parse_quoted(element->text, element->length, &address) &&
	    !cm_address_has_encoded_word(&address) && cm_address_is_ascii(&address))
		found(context, element->text, element->length);
	*element = (struct element){0};
}

/* A character without a meaning for the lexer. */
static bool take_special(struct element *element, char c, cm_address_found_fn *found, void *context)
{
	switch (c) {
	case '<':
		if (!element->closed)
			*element = (struct element){.angle = true};
		return true;
	case '>':
		element->closed = element->closed || element->angle;
		return element->closed;
	case ':': /* end of a group's name, or of a route */
		if (!element->closed)
			*element = (struct element){.angle = element->angle};
		return true;
	case ',':
		if (element->angle && !element->closed)
			*element = (struct element){.angle = true};
		else
			end_of_element(element, found, context);
		return true;
	default:
		end_of_element(element, found, context);
		return true;
	}
}

bool cm_address_list_read(const char *value, cm_address_found_fn *found, void *context)
{
	struct element element = {0};
	const char *at = value;

	while (*at != '\0') {
		const char *start = at;

		if (*at == '"' || *at == '[') {
			if (!take_until(&element, &at, *at == '"' ? '"' : ']'))
				return false;
		} else if (strchr("<>,:;", *at) != NULL) {
			if (!take_special(&element, *at++, found, context))
				return false;
		} else if (!cm_skip_cfws(&at, CM_COMMENTS_ANY)) {
			return false;
		} else if (at != start) {
			element.gap = true;
		} else {
			take(&element, *at++);
		}
	}
	if (element.angle && !element.closed)
		return false;
	end_of_element(&element, found, context);
	return true;
}
