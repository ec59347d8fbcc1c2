/*
 * fuzz_maildir_name - file names in a Maildir
 *
 * What a name says is found again in a name that says the same.
 */
#include "fuzz.h"

#include "maildir_walk.h"

#include <inttypes.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size), *again = NULL;
	time_t when, when_again;
	uint64_t bytes, bytes_again;

	require(name != NULL);
	if (cm_maildir_name_parse(name, &when, &bytes)) {
		require(when >= 0);
		require(asprintf(&again, "%jd.M1P2.host,S=%" PRIu64 ",W=1:2,S", (intmax_t)when,
				 bytes) > 0);
		require(cm_maildir_name_parse(again, &when_again, &bytes_again));
		require(when_again == when && bytes_again == bytes);
		free(again);
	}
	free(name);
	return 0;
}
