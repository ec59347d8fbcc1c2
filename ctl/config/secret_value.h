/*
 * secret_value - secrets in the servers' configuration
 *
 * {{turn_secret}} and {{backend_secret}} are what stands in the files that chatmail.ini names.
 */
#ifndef CM_SECRET_VALUE_H
#define CM_SECRET_VALUE_H

#include <stdbool.h>

#include "config.h"
#include "error.h"

struct cm_secret_values {
	bool shown; /* the files are only shown: without the secrets */
	char *turn, *backend;
};

/* True if a template's name is one of them. */
bool cm_secret_value_is(const char *name);

/* The secret, read below root at the first call; "SECRET" if shown. NULL with err filled, also if a
   server would read it otherwise than the relay does. */
const char *cm_secret_value(struct cm_secret_values *values, const char *name, const char *root,
			    const struct cm_config *config, struct cm_error *err);

/* Overwrites them by '*' wherever text, which may be NULL, has one. */
void cm_secret_values_hide(const struct cm_secret_values *values, char *text);

void cm_secret_values_free(struct cm_secret_values *values);

#endif
