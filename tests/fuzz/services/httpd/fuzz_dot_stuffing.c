/*
 * fuzz_dot_stuffing - a posted message cannot end early, wherever it is split
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dot_stuffing.h"

struct output {
	char *bytes;
	size_t length, room;
};

static void put(void *context, const char *data, size_t length)
{
	struct output *output = context;

	require(length <= output->room - output->length);
	memcpy(output->bytes + output->length, data, length);
	output->length += length;
}

static struct output stuffed(const char *data, size_t size, size_t piece)
{
	struct output output = {malloc(3 * size + 2), 0, 3 * size + 2};
	struct cm_dot_stuffing stuffing;

	require(output.bytes != NULL);
	cm_dot_stuffing_init(&stuffing);
	for (size_t at = 0; at < size; at += piece)
		cm_dot_stuffing_write(&stuffing, data + at, size - at < piece ? size - at : piece,
				      put, &output);
	cm_dot_stuffing_end(&stuffing, put, &output);
	return output;
}

/* No line is a lone dot, wherever a reader assumes its beginning. */
static void check(const struct output *output)
{
	require(output->length >= 2);
	require(memcmp(output->bytes + output->length - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < output->length; i++) {
		bool starts = i == 0 || output->bytes[i - 1] == '\n';

		if (starts && output->bytes[i] == '.')
			require(i + 1 < output->length && output->bytes[i + 1] == '.');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct output whole = stuffed((const char *)data, size, size + 1);
	struct output bytes = stuffed((const char *)data, size, 1);
	struct output pieces = stuffed((const char *)data, size, 3);

	check(&whole);
	require(bytes.length == whole.length &&
		memcmp(bytes.bytes, whole.bytes, whole.length) == 0);
	require(pieces.length == whole.length &&
		memcmp(pieces.bytes, whole.bytes, whole.length) == 0);
	free(whole.bytes);
	free(bytes.bytes);
	free(pieces.bytes);
	return 0;
}
