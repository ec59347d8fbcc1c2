/*
 * secret_value - secrets in the servers' configuration
 *
 * {{turn_secret}} and {{backend_secret}} are the contents of files that chatmail.ini names.
 */
#ifndef CM_SECRET_VALUE_H
#define CM_SECRET_VALUE_H

#include <stdbool.h>

#include "config.h"
#include "error.h"

struct cm_secret_values {
	bool shown; /* the files are only printed: hide the secrets */
	char *turn, *backend;
};

/* True if this is the name of a secret in templates. */
bool cm_secret_value_is(const char *name);

/* The secret, read below root at the first call; "SECRET" if shown. NULL with err filled, also
   if a server would read another value than the relay. */
const char *cm_secret_value(struct cm_secret_values *values, const char *name, const char *root,
			    const struct cm_config *config, struct cm_error *err);

/* Overwrites the secrets in text, which may be NULL, by '*'. */
void cm_secret_values_hide(const struct cm_secret_values *values, char *text);

void cm_secret_values_free(struct cm_secret_values *values);

#endif
