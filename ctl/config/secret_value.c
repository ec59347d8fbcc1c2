#include "secret_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared_secret.h"

/* Servers interpret '#', '$', quotes and blanks in different ways, and coturn skips a first '='. */
#define SECRET_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=._-"

#define TURN    "turn_secret"
#define BACKEND "backend_secret"

bool cm_secret_value_is(const char *name)
{
	return strcmp(name, TURN) == 0 || strcmp(name, BACKEND) == 0;
}

static char *read_secret(const char *root, const char *key, const char *file, struct cm_error *err)
{
	char *path, *secret;

	if (asprintf(&path, "%s%s", root, file) < 0) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	secret = cm_shared_secret_read(key, path, err);
	if (secret != NULL && (secret[0] == '=' || secret[strspn(secret, SECRET_BYTES)] != '\0')) {
		cm_error_set(
		    err, "%s: %s: must be of letters, digits and +/=._-, without = at the start",
		    key, path);
		cm_shared_secret_free(secret);
		secret = NULL;
	}
	free(path);
	return secret;
}

const char *cm_secret_value(struct cm_secret_values *values, const char *name, const char *root,
			    const struct cm_config *config, struct cm_error *err)
{
	bool turn = strcmp(name, TURN) == 0;
	char **value = turn ? &values->turn : &values->backend;

	if (values->shown)
		return "SECRET";
	if (*value == NULL && turn)
		*value = read_secret(root, "turn_secret_file", config->turn_secret_file, err);
	else if (*value == NULL)
		*value = read_secret(root, "backend_secret_file", config->backend_secret_file, err);
	return *value;
}

static void hide(const char *secret, char *text)
{
	if (secret == NULL)
		return;
	while (text != NULL && (text = strstr(text, secret)) != NULL)
		memset(text, '*', strlen(secret));
}

void cm_secret_values_hide(const struct cm_secret_values *values, char *text)
{
	hide(values->turn, text);
	hide(values->backend, text);
}

void cm_secret_values_free(struct cm_secret_values *values)
{
	cm_shared_secret_free(values->turn);
	cm_shared_secret_free(values->backend);
	values->turn = values->backend = NULL;
}
