#include "header_rewrite.h"

#include "field_writer.h"
#include "lines.h"
#include "outgoing_fields.h"
#include "rfc5322.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_SIZE 16
/* Longer values never stay unchanged: Postfix truncates values for milters at 60,000 bytes, so
   the rest is unknown. */
#define UNCHANGED_MAX 50000

void cm_header_rewrite_init(struct cm_header_rewrite *rewrite, const struct cm_address *sender)
{
	*rewrite = (struct cm_header_rewrite){.writer.sender = sender};
}

void cm_header_rewrite_free(struct cm_header_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->count; i++)
		free(rewrite->field[i].written);
	free(rewrite->field);
	cm_field_writer_free(&rewrite->writer);
	cm_header_rewrite_init(rewrite, NULL);
}

/* True if the values are equal apart from white space: folding does not matter. */
static bool same_words(const char *a, const char *b)
{
	for (;;) {
		while (cm_is_space(*a))
			a++;
		while (cm_is_space(*b))
			b++;
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
		a++;
		b++;
	}
}

/* A longer line would be broken in transport, which would invalidate the signature. */
static bool has_long_line(const char *name, const char *value)
{
	size_t before = strlen(name) + 1;

	if (before + strlen(value) <= CM_LINE_MAX)
		return false;
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

/* Sets the outgoing value: the value itself, the output of its type, or none. False if out of
   memory. */
static bool set_value(struct cm_rewritten_field *field, const char *value,
		      struct cm_field_writer *writer)
{
	cm_field_type_fn *type = cm_outgoing_field_type(field->name);
	bool leaves;

	field->changed = true;
	if (type == NULL || field->index > 1)
		return true;
	cm_field_writer_begin(writer, strlen(field->name));
	leaves = type(value, writer);
	if (writer->failed)
		return false;
	if (!leaves || writer->too_long || writer->length == 0)
		return true;
	if (strlen(value) <= UNCHANGED_MAX && same_words(value, writer->text) &&
	    !has_long_line(field->name, value)) {
		field->value = value;
		field->changed = false;
		return true;
	}
	field->value = field->written = strdup(writer->text);
	return field->written != NULL;
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

/* Most names differ in their first letter. */
static bool same_name(const char *a, const char *b)
{
	return cm_lower(*a) == cm_lower(*b) && strcasecmp(a, b) == 0;
}

bool cm_header_rewrite_add(struct cm_header_rewrite *rewrite, const char *name, const char *value)
{
	struct cm_rewritten_field field = {.name = name, .index = 1};

	for (size_t i = 0; i < rewrite->count; i++)
		field.index += same_name(rewrite->field[i].name, name);
	if (!make_room(rewrite) || !set_value(&field, value, &rewrite->writer))
		return false;
	rewrite->field[rewrite->count++] = field;
	return true;
}

void cm_header_rewrite_delete_request(struct cm_header_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->count; i++) {
		struct cm_rewritten_field *field = &rewrite->field[i];

		if (cm_outgoing_field_is_request(field->name)) {
			field->value = NULL;
			field->changed = true;
		}
	}
}

bool cm_header_rewrite_set(struct cm_header_rewrite *rewrite, const char *name, const char *value)
{
	struct cm_rewritten_field field = {.name = name, .index = 1, .changed = true};

	if (!make_room(rewrite) || (field.written = strdup(value)) == NULL)
		return false;
	field.value = field.written;
	rewrite->field[rewrite->count++] = field;
	return true;
}
