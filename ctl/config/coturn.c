#include "coturn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "own_addresses.h"
#include "turn_login.h"

/* coturn takes what follows '=' up to the line's end, and '#' and quotes in ways of its own. */
#define SECRET_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=._-"

char *cm_coturn_secret(const char *root, const struct cm_config *config, struct cm_error *err)
{
	char *path, *secret;

	if (asprintf(&path, "%s%s", root, config->turn_secret_file) < 0) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	secret = cm_turn_secret_read(path, err);
	if (secret != NULL && secret[strspn(secret, SECRET_BYTES)] != '\0') {
		cm_error_set(err, "turn_secret_file: %s: has characters that coturn cannot read",
			     path);
		cm_turn_secret_free(secret);
		secret = NULL;
	}
	free(path);
	return secret;
}

void cm_coturn_hide(const char *secret, char *text)
{
	if (secret == NULL || text == NULL)
		return;
	while ((text = strstr(text, secret)) != NULL)
		memset(text, '*', strlen(secret));
}

/* A line for each address of a list with commas. */
static void print_each(FILE *stream, const char *option, const char *addresses)
{
	while (*addresses != '\0') {
		size_t length = strcspn(addresses, ",");

		if (length > 0)
			fprintf(stream, "%s=%.*s\n", option, (int)length, addresses);
		addresses += length;
		addresses += strspn(addresses, ",");
	}
}

char *cm_coturn_lines(const struct cm_settings *settings, const char *name)
{
	char *text = NULL, *own = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	const char *external = cm_settings_get(settings, "turn_external_ip");
	bool good = stream != NULL;

	if (good && strcmp(name, "listening") == 0) {
		print_each(stream, "listening-ip", cm_settings_get(settings, "listen"));
		print_each(stream, "external-ip", external);
	} else if (good && strcmp(name, "own_peers") == 0) {
		own = cm_own_addresses_lines("denied-peer-ip=");
		good = own != NULL;
		if (good)
			fputs(own, stream);
		print_each(stream, "denied-peer-ip", external);
		free(own);
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
