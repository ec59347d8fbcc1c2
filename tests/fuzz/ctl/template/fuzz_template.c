/*
 * fuzz_template - configuration templates
 *
 * A wrong template is an error with its file and line; text without placeholders and directives
 * is written as it is.
 */
#include "fuzz.h"

#include "template.h"

#include <string.h>

static const char *value_of(const char *name, void *context)
{
	(void)context;
	if (strcmp(name, "yes") == 0)
		return "true";
	if (strcmp(name, "no") == 0)
		return "false";
	if (strcmp(name, "empty") == 0)
		return "";
	return strcmp(name, "odd") == 0 ? "{{yes}}\n%end" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rendered;
	struct cm_error err = {""};

	require(text != NULL);
	rendered = cm_template_render("file", text, value_of, NULL, &err);
	if (rendered == NULL)
		require(strncmp(err.text, "file:", 5) == 0);
	else if (strstr(text, "{{") == NULL && strchr(text, '%') == NULL)
		require(strncmp(rendered, text, strlen(text)) == 0);
	free(rendered);
	free(text);
	return 0;
}
