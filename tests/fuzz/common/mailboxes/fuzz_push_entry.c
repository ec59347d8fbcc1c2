/*
 * fuzz_push_entry - a file of the notification queue
 *
 * An accepted entry has an address that is safe as a path component, and a valid token; written
 * again, it means the same.
 */
#include "fuzz.h"

#include "push_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_push_entry entry, again;
	char *text;
	int length;

	if (!cm_push_entry_parse((const char *)data, size, &entry))
		return 0;
	require(cm_token_valid(entry.token, strlen(entry.token)));
	require(strchr(entry.address.text, '/') == NULL);
	require(strlen(entry.address.text) <= CM_ADDRESS_MAX);
	length = asprintf(&text, "%s\n%" PRIdMAX "\n%s", entry.address.text, (intmax_t)entry.time,
			  entry.token);
	require(length > 0);
	require(length <= (int)CM_PUSH_ENTRY_MAX);
	require(cm_push_entry_parse(text, (size_t)length, &again));
	require(cm_address_equal(&entry.address, &again.address));
	require(entry.time == again.time);
	require(strcmp(entry.token, again.token) == 0);
	free(text);
	return 0;
}
