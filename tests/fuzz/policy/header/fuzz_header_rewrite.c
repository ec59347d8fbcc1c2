/*
 * fuzz_header_rewrite - the outgoing form of header fields, given as lines "Name: value" with
 * folding
 */
#include "fuzz.h"

#include "header_rewrite.h"
#include "headers.h"
#include "lines.h"
#include "message_file.h"

#include <string.h>
#include <strings.h>

/* As in the corpus. */
static const struct cm_address sender = {.text = "a@b.test", .local_length = 1};

/* The outgoing value is printable or white space, folded, in short lines; rewriting it again
   changes nothing. */
static void check_value(const char *name, const char *value, bool changed)
{
	struct cm_header_rewrite again;
	size_t column = strlen(name) + 1;

	for (const char *c = value; *c != '\0'; c++) {
		if (*c == '\n') {
			require(c[1] == ' ' || c[1] == '\t');
			column = 0;
		} else if (*c != '\r') {
			column++;
		}
		require(column <= CM_LINE_MAX);
		require(!changed || *c == '\n' || (unsigned char)*c >= ' ');
	}
	cm_header_rewrite_init(&again, &sender);
	require(cm_header_rewrite_add(&again, name, value));
	require(!changed ||
		(again.field[0].value != NULL && strcmp(again.field[0].value, value) == 0));
	cm_header_rewrite_free(&again);
}

struct fuzzed {
	struct cm_headers headers;
	struct cm_header_rewrite rewrite;
};

static bool add(void *context, const char *name, const char *value)
{
	struct fuzzed *fuzzed = context;
	struct cm_finding finding;

	if (!cm_headers_add(&fuzzed->headers, name, value, true, &finding))
		return false;
	require(cm_header_rewrite_add(&fuzzed->rewrite, fuzzed->headers.last->name,
				      fuzzed->headers.last->value));
	return true;
}

static bool end_of_headers(void *context)
{
	(void)context;
	return false;
}

static bool body(void *context, const void *data, size_t length)
{
	(void)context;
	(void)data;
	(void)length;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzed fuzzed;
	const struct cm_header_rewrite *rewrite = &fuzzed.rewrite;
	const struct cm_message_file_reader reader = {&fuzzed, add, end_of_headers, body};

	cm_headers_init(&fuzzed.headers);
	cm_header_rewrite_init(&fuzzed.rewrite, &sender);
	cm_message_file_read(&reader, (const char *)data, size);
	for (size_t i = 0; i < rewrite->count; i++) {
		const struct cm_rewritten_field *field = &rewrite->field[i];

		for (size_t k = 0; k < i; k++)
			require(field->index != rewrite->field[k].index ||
				strcasecmp(field->name, rewrite->field[k].name) != 0);
		require(field->value == NULL || field->index == 1);
		require(field->changed || field->value != NULL);
		if (field->value != NULL)
			check_value(field->name, field->value, field->changed);
	}
	cm_header_rewrite_free(&fuzzed.rewrite);
	cm_headers_free(&fuzzed.headers);
	return 0;
}
