#include "address_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "own_addresses.h"

/* before, an address and after, for each address of a list. */
static void print_each(FILE *stream, const char *before, const char *addresses, const char *after)
{
	const char *separators = ", \t";

	addresses += strspn(addresses, separators);
	while (*addresses != '\0') {
		size_t length = strcspn(addresses, separators);

		fprintf(stream, "%s%.*s%s\n", before, (int)length, addresses, after);
		addresses += length;
		addresses += strspn(addresses, separators);
	}
}

char *cm_address_lines(const struct cm_settings *settings, const char *name)
{
	char *text = NULL, *own = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	const char *external = cm_settings_get(settings, "turn_external_ip");
	bool good = stream != NULL;

	if (good && strcmp(name, "coturn_listening") == 0) {
		print_each(stream, "listening-ip=", cm_settings_get(settings, "listen"), "");
		print_each(stream, "external-ip=", external, "");
	} else if (good && strcmp(name, "coturn_own_peers") == 0) {
		own = cm_own_addresses_lines("denied-peer-ip=");
		good = own != NULL;
		if (good)
			fputs(own, stream);
		print_each(stream, "denied-peer-ip=", external, "");
		free(own);
	} else if (good && strcmp(name, "cleartext_fronts") == 0) {
		print_each(stream, "remote ", cm_settings_get(settings, "trusted_fronts"),
			   " {\n  ssl = yes\n  auth_allow_cleartext = yes\n}");
	} else {
		good = false;
	}
	if (stream != NULL && fclose(stream) != 0)
		good = false;
	if (!good) {
		free(text);
		text = NULL;
	}
	return text;
}
