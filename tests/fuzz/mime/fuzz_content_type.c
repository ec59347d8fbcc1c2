/*
 * fuzz_content_type - Content-Type values against GMime; the first byte's bit 0 chooses strict
 *
 * If our reader accepts a value in strict mode, GMime must read it the same way, or outgoing mail
 * would have two meanings.
 */
#include "fuzz.h"

#include "mime_value.h"
#include "second_reader.h"

#include <gmime/gmime.h>
#include <string.h>
#include <strings.h>

static void compare(const char *text, const struct cm_mime_value *value)
{
	GMimeContentType *type = g_mime_content_type_parse(NULL, text);
	char *name = g_mime_content_type_get_mime_type(type);

	require(strcasecmp(name, value->value) == 0);
	for (size_t i = 0; i < value->parameter_count; i++) {
		const char *seen =
		    g_mime_content_type_get_parameter(type, value->parameter[i].name);

		require(seen != NULL && strcmp(seen, value->parameter[i].text) == 0);
	}
	g_free(name);
	g_object_unref(type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_mime_value value, again;
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	require(text != NULL);
	cm_second_reader_start();
	if (cm_mime_value_parse(text, true, data[0] & 1, &value) == NULL) {
		require(value.parameter_count <= CM_MIME_PARAMETERS_MAX);
		require(cm_mime_value_parse(text, true, false, &again) == NULL);
		require(strcmp(value.value, again.value) == 0);
		require(value.parameter_count == again.parameter_count);
		if (data[0] & 1)
			compare(text, &value);
	}
	free(text);
	return 0;
}
