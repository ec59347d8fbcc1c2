#include "header_rewrite.h"

#include "field_writer.h"
#include "lines.h"
#include "outgoing_fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_SIZE 16
/* Longer values never stay as they are: Postfix cuts what it shows to a milter at 60,000 bytes, and
   what comes after them is not known. */
#define UNCHANGED_MAX 50000

void cm_header_rewrite_init(struct cm_header_rewrite *rewrite)
{
	*rewrite = (struct cm_header_rewrite){0};
}

void cm_header_rewrite_free(struct cm_header_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->count; i++)
		free((char *)rewrite->field[i].name);
	free(rewrite->field);
	cm_header_rewrite_init(rewrite);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Equal but for white space: how a field is folded is its writer's business. */
static bool same_words(const char *a, const char *b)
{
	for (;;) {
		while (is_space(*a))
			a++;
		while (is_space(*b))
			b++;
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
		a++;
		b++;
	}
}

/* A longer line would be broken in transport, and the signature with it. */
static bool has_long_line(const char *name, const char *value)
{
	size_t before = strlen(name) + 1;

	for (;;) {
		size_t length = strcspn(value, "\r\n");

		if (before + length > CM_LINE_MAX)
			return true;
		value += length;
		if (*value == '\0')
			return false;
		value++;
		before = 0;
	}
}

/* Sets *value_r to what leaves: value itself, what the writer holds, or NULL. False if out of
   memory. */
static bool find_value(const char *name, const char *value, unsigned int index,
		       struct cm_field_writer *writer, const char **value_r)
{
	cm_field_type_fn *type = cm_outgoing_field_type(name);
	bool leaves = type != NULL && index == 1 && type(value, writer);

	if (writer->failed)
		return false;
	if (!leaves || writer->too_long || writer->text == NULL)
		*value_r = NULL;
	else if (strlen(value) <= UNCHANGED_MAX && same_words(value, writer->text) &&
		 !has_long_line(name, value))
		*value_r = value;
	else
		*value_r = writer->text;
	return true;
}

static bool make_room(struct cm_header_rewrite *rewrite)
{
	size_t size = rewrite->size > 0 ? 2 * rewrite->size : FIRST_SIZE;
	struct cm_rewritten_field *field;

	if (rewrite->count < rewrite->size)
		return true;
	field = realloc(rewrite->field, size * sizeof(*field));
	if (field == NULL)
		return false;
	rewrite->field = field;
	rewrite->size = size;
	return true;
}

/* One block for both, which the name owns. */
static bool copy(struct cm_rewritten_field *field, const char *name, const char *value)
{
	size_t name_size = strlen(name) + 1;
	size_t value_size = value != NULL ? strlen(value) + 1 : 0;
	char *block = malloc(name_size + value_size);

	if (block == NULL)
		return false;
	memcpy(block, name, name_size);
	if (value != NULL)
		memcpy(block + name_size, value, value_size);
	field->name = block;
	field->value = value != NULL ? block + name_size : NULL;
	return true;
}

bool cm_header_rewrite_add(struct cm_header_rewrite *rewrite, const char *name, const char *value)
{
	struct cm_rewritten_field field = {.index = 1};
	struct cm_field_writer writer;
	const char *leaves = NULL;
	bool added;

	for (size_t i = 0; i < rewrite->count; i++)
		field.index += strcasecmp(rewrite->field[i].name, name) == 0;
	cm_field_writer_init(&writer, strlen(name));
	added = make_room(rewrite) && find_value(name, value, field.index, &writer, &leaves) &&
		copy(&field, name, leaves);
	if (added) {
		field.changed = leaves != value;
		rewrite->field[rewrite->count++] = field;
	}
	cm_field_writer_free(&writer);
	return added;
}

bool cm_header_rewrite_set(struct cm_header_rewrite *rewrite, const char *name, const char *value)
{
	struct cm_rewritten_field field = {.index = 1, .changed = true};

	if (!make_room(rewrite) || !copy(&field, name, value))
		return false;
	rewrite->field[rewrite->count++] = field;
	return true;
}
