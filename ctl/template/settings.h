/*
 * settings - values for the configuration templates
 *
 * Three kinds of names: the keys of chatmail.ini; values derived from them (sizes in a server's
 * unit, host names); and the site's own settings below, which have a default for a production
 * machine and can be overridden by `--set name=value`, as the demo, the tests and the packages
 * do.
 */
#ifndef CM_SETTINGS_H
#define CM_SETTINGS_H

#include <stdbool.h>

#include "config.h"
#include "error.h"

struct cm_settings;

/* root stands for "/" when the machine is examined ("" is this machine). The config must
   outlive the result. NULL with err filled if out of memory, or if a value is not safe in the
   servers' configuration. */
struct cm_settings *cm_settings_init(const struct cm_config *config, const char *root,
				     struct cm_error *err);

/* Frees and sets to NULL. */
void cm_settings_deinit(struct cm_settings **settings);

/* Overrides one of the site's settings: "name=value". False with err filled if the name does
   not exist or the value is invalid. */
bool cm_settings_override(struct cm_settings *settings, const char *assignment,
			  struct cm_error *err);

/* The value, or NULL if the name does not exist. Belongs to the settings. */
const char *cm_settings_get(const struct cm_settings *settings, const char *name);

/* True for a value that this module derives from others, in the syntax of its destination. */
bool cm_settings_is_derived(const char *name);

/* Calls visit for every setting that a template may use, in the order of definition. note is
   the origin of the value. */
typedef void cm_settings_visit_fn(const char *name, const char *value, const char *note,
				  void *context);
void cm_settings_each(const struct cm_settings *settings, cm_settings_visit_fn *visit,
		      void *context);

#endif
