#include "tag_list.h"

#include <string.h>
#include <strings.h>

#include "base64.h"
#include "rfc5322.h"

static bool is_alpha(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_name(char byte)
{
	return is_alpha(byte) || (byte >= '0' && byte <= '9') || byte == '_';
}

/* VALCHAR, and the bytes of UTF-8 that RFC 8616 adds. */
static bool is_value(char byte)
{
	unsigned char code = (unsigned char)byte;

	return cm_is_space(byte) || (code > ' ' && code != ';' && code != 0x7f);
}

/* One "name = value" between semicolons. */
static bool parse_tag(const char *text, size_t length, struct cm_tag *tag)
{
	const char *equals = memchr(text, '=', length);

	if (equals == NULL)
		return false;
	tag->name = text;
	tag->name_length = (size_t)(equals - text);
	tag->name = cm_trim(tag->name, &tag->name_length);
	if (tag->name_length == 0 || !is_alpha(tag->name[0]))
		return false;
	for (size_t i = 1; i < tag->name_length; i++)
		if (!is_name(tag->name[i]))
			return false;
	tag->raw = equals + 1;
	tag->raw_length = length - (size_t)(tag->raw - text);
	for (size_t i = 0; i < tag->raw_length; i++)
		if (!is_value(tag->raw[i]))
			return false;
	tag->value = tag->raw;
	tag->value_length = tag->raw_length;
	tag->value = cm_trim(tag->value, &tag->value_length);
	return true;
}

static const struct cm_tag *find(const struct cm_tag_list *list, const char *name, size_t length)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->tag[i].name_length == length &&
		    memcmp(list->tag[i].name, name, length) == 0)
			return &list->tag[i];
	return NULL;
}

bool cm_tag_list_parse(const char *text, size_t length, struct cm_tag_list *list_r)
{
	const char *end = text + length;
	struct cm_tag tag;

	list_r->count = 0;
	for (;;) {
		const char *semicolon = memchr(text, ';', (size_t)(end - text));
		size_t tag_length = (size_t)((semicolon == NULL ? end : semicolon) - text);
		size_t trimmed = tag_length;

		cm_trim(text, &trimmed);
		if (semicolon == NULL && trimmed == 0)
			return list_r->count > 0; /* the list's last semicolon */
		if (list_r->count == CM_TAG_LIST_MAX)
			return false;
		if (!parse_tag(text, tag_length, &tag))
			return false;
		if (find(list_r, tag.name, tag.name_length) != NULL)
			return false;
		list_r->tag[list_r->count++] = tag;
		if (semicolon == NULL)
			return true;
		text = semicolon + 1;
	}
}

const struct cm_tag *cm_tag_list_find(const struct cm_tag_list *list, const char *name)
{
	return find(list, name, strlen(name));
}

bool cm_tag_is(const struct cm_tag *tag, const char *word)
{
	return tag->value_length == strlen(word) &&
	       strncasecmp(tag->value, word, tag->value_length) == 0;
}

bool cm_tag_next_word(const struct cm_tag *tag, size_t *position, const char **word_r,
		      size_t *length_r)
{
	const char *colon;

	if (*position > tag->value_length)
		return false;
	*word_r = tag->value + *position;
	colon = memchr(*word_r, ':', tag->value_length - *position);
	*length_r = colon == NULL ? tag->value_length - *position : (size_t)(colon - *word_r);
	*position += *length_r + 1;
	*word_r = cm_trim(*word_r, length_r);
	return true;
}

bool cm_tag_has_word(const struct cm_tag *tag, const char *word)
{
	size_t position = 0, length;
	const char *candidate;

	while (cm_tag_next_word(tag, &position, &candidate, &length))
		if (length == strlen(word) && strncasecmp(candidate, word, length) == 0)
			return true;
	return false;
}

bool cm_tag_base64(const struct cm_tag *tag, unsigned char *out, size_t size, size_t *length_r)
{
	struct cm_base64 decoder;
	unsigned char bytes[CM_BASE64_ROOM(1)];
	size_t count, length = 0;

	cm_base64_init(&decoder);
	for (size_t i = 0; i < tag->value_length; i++) {
		if (cm_is_space(tag->value[i]))
			continue;
		if (!cm_base64_decode(&decoder, tag->value + i, 1, bytes, &count) ||
		    count > size - length)
			return false;
		memcpy(out + length, bytes, count);
		length += count;
	}
	if (!cm_base64_end(&decoder, true, bytes, &count) || count > size - length)
		return false;
	memcpy(out + length, bytes, count);
	*length_r = length + count;
	return *length_r > 0;
}
