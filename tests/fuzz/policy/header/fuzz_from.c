/*
 * fuzz_from - the From header, and its outgoing form
 */
#include "fuzz.h"

#include "from_header.h"
#include "header_rewrite.h"
#include "second_reader.h"
#include "usual_form.h"

#include <string.h>

/* The outgoing value is the same address and nothing else. */
static void check_rewritten(const char *value, const struct cm_address *address)
{
	struct cm_header_rewrite rewrite;
	struct cm_address again;

	cm_header_rewrite_init(&rewrite, NULL);
	require(cm_header_rewrite_add(&rewrite, "From", value));
	require(rewrite.field[0].value != NULL);
	require(cm_from_parse(rewrite.field[0].value, &again) == NULL);
	require(cm_address_equal(address, &again));
	require(strpbrk(rewrite.field[0].value, "(,;") == NULL);
	cm_header_rewrite_free(&rewrite);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = strndup((const char *)data, size);
	struct cm_address address, again;
	bool same;

	require(value != NULL);
	cm_second_reader_start();
	if (cm_from_parse(value, &address) == NULL) {
		require(cm_address_parse(address.text, strlen(address.text), &again));
		require(cm_address_equal(&address, &again));
		same = cm_second_reader_from(value, &address);
		require(same || !cm_usual_from(value, &address));
		/* No other address leaves: the policy refuses it as the sender's. */
		if (same && cm_address_is_ascii(&address))
			check_rewritten(value, &address);
	}
	free(value);
	return 0;
}
