/*
 * template - configuration files with placeholders
 *
 * A template is a configuration file of its program with these additions:
 *
 *	{{name}}	the value of a setting
 *	%if name	the lines up to %else or %end only if the value is neither empty nor
 *			"false" nor "0"; %if !name the reverse; both nest
 *	%else
 *	%end
 *
 * A directive stands alone on its line, which is not written. A setting that does not exist is an
 * error, never an empty string.
 */
#ifndef CM_TEMPLATE_H
#define CM_TEMPLATE_H

#include "error.h"

/* The value of a setting, or NULL if the name does not exist. Valid until the end of the
   rendering. */
typedef const char *cm_template_value_fn(const char *name, void *context);

/* Renders text. file is the template's name for error texts. Returns a malloc'd string; NULL with
   err filled ("FILE:LINE: what") if the template is wrong. */
char *cm_template_render(const char *file, const char *text, cm_template_value_fn *value,
			 void *context, struct cm_error *err);

#endif
