/*
 * fuzz_ini - the format of chatmail.ini
 *
 * A value that was read contains no line break, and means the same when it is written again.
 */
#include "fuzz.h"

#include "ini_file.h"

#include <stdbool.h>
#include <string.h>

#define PAIRS_MAX 256

struct pair {
	char *section, *name, *value;
	bool continues;
};

struct list {
	struct pair pairs[PAIRS_MAX];
	size_t count;
};

static char *copy(const char *text)
{
	char *made = strdup(text);

	require(made != NULL);
	require(strpbrk(text, "\n") == NULL);
	return made;
}

static bool is_blank(char byte)
{
	return byte != '\0' && strchr(" \t\r\n\v\f", byte) != NULL;
}

static bool remember(void *context, unsigned int line, const char *section, const char *name,
		     const char *value, bool continues, struct cm_error *err)
{
	struct list *list = context;

	require(line > 0);
	require(*name != '\0' && strpbrk(name, "=:") == NULL);
	require(strchr(section, ']') == NULL);
	require(!is_blank(*value) && (*value == '\0' || !is_blank(value[strlen(value) - 1])));
	require(!continues || *value != '\0');
	if (list->count == PAIRS_MAX) {
		cm_error_set(err, "enough");
		return false;
	}
	list->pairs[list->count++] =
	    (struct pair){copy(section), copy(name), copy(value), continues};
	return true;
}

static bool parse(const char *text, size_t length, struct list *list)
{
	FILE *stream = fmemopen((void *)text, length, "r");
	struct cm_error err = {""};
	bool good;

	require(stream != NULL);
	good = cm_ini_stream_read(stream, "file", remember, list, &err);
	require(good == (err.text[0] == '\0'));
	fclose(stream);
	return good;
}

static char *write_again(const struct list *list, size_t *length_r)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length_r);
	const char *section = "";

	require(stream != NULL);
	fputs("# again\n", stream);
	for (size_t i = 0; i < list->count; i++) {
		const struct pair *pair = &list->pairs[i];

		if (strcmp(section, pair->section) != 0)
			fprintf(stream, "[%s]\n", pair->section);
		section = pair->section;
		if (pair->continues)
			fprintf(stream, "\t%s\n", pair->value);
		else
			fprintf(stream, "%s = %s\n", pair->name, pair->value);
	}
	require(fclose(stream) == 0);
	return text;
}

static void compare(const struct list *a, const struct list *b)
{
	require(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		require(strcmp(a->pairs[i].section, b->pairs[i].section) == 0);
		require(strcmp(a->pairs[i].name, b->pairs[i].name) == 0);
		require(strcmp(a->pairs[i].value, b->pairs[i].value) == 0);
		require(a->pairs[i].continues == b->pairs[i].continues);
	}
}

static void clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->pairs[i].section);
		free(list->pairs[i].name);
		free(list->pairs[i].value);
	}
	list->count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct list first, second;
	size_t length;
	char *text;

	if (size == 0 || size > 65536)
		return 0;
	if (parse((const char *)data, size, &first)) {
		text = write_again(&first, &length);
		require(parse(text, length, &second));
		compare(&first, &second);
		free(text);
	}
	clear(&first);
	clear(&second);
	return 0;
}
