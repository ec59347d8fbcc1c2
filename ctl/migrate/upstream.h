/*
 * upstream - a machine that chatmail/relay deployed: what is on it, and what stands in our way
 *
 * The names are those of cmdeploy, from its releases of 2024 to 1.12.
 */
#ifndef CM_UPSTREAM_H
#define CM_UPSTREAM_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

#define CM_UPSTREAM_INI "/usr/local/lib/chatmaild/chatmail.ini"

/* What acmetool does with challenges, as upstream left it and as nginx wants it here. */
#define CM_UPSTREAM_ACME_TARGET  "/var/lib/acme/conf/target"
#define CM_UPSTREAM_ACME_WEBROOT "/var/www/html/.well-known/acme-challenge"
#define CM_ACME_WEBROOT          "/var/lib/chatmail/acme/.well-known/acme-challenge"

/* NULL-terminated. */
extern const char *const cm_upstream_services[]; /* units that are stopped and disabled */
extern const char *const cm_upstream_pauses[];   /* units that are stopped: both relays have them */
extern const char *const cm_upstream_obstacles[]; /* files that are moved away */
extern const char *const cm_upstream_copies[];    /* files and directories that are rewritten */

/* Adds to notes what the operator should know: keys that mean something else, what has no
   counterpart, crontabs. root is "" or stands for "/". */
bool cm_upstream_survey(const char *root, json_t *notes, struct cm_error *err);

/* The command that installs our packages and the distribution's Dovecot, malloc'd. */
char *cm_upstream_apt_command(const char *root);

/* root and path, malloc'd; NULL if out of memory. */
char *cm_upstream_path(const char *root, const char *path);

/* True if there is something at root and path. */
bool cm_upstream_exists(const char *root, const char *path);

#endif
