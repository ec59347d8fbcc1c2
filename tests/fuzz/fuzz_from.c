/*
 * fuzz_from - the From header; the first byte's bit 0 chooses strict
 */
#include "fuzz.h"

#include "from_header.h"
#include "second_reader.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_address address, again;
	char *value;

	if (size == 0)
		return 0;
	value = strndup((const char *)data + 1, size - 1);
	require(value != NULL);
	cm_second_reader_start();
	if (cm_from_parse(value, data[0] & 1, &address) == NULL) {
		require(cm_address_parse(address.text, strlen(address.text), &again));
		require(cm_address_equal(&address, &again));
		/* What may go out may come in, as the same. */
		require(cm_from_parse(value, false, &again) == NULL);
		require(cm_address_equal(&address, &again));
		cm_second_reader_from(value, &address);
	}
	free(value);
	return 0;
}
