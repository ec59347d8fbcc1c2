/*
 * upstream - a machine that chatmail/relay deployed: its files, and obstacles for this relay
 *
 * The names are those of cmdeploy, from its releases of 2024 to 1.12.
 */
#ifndef CM_UPSTREAM_H
#define CM_UPSTREAM_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

#define CM_UPSTREAM_INI "/usr/local/lib/chatmaild/chatmail.ini"

/* The destination of acmetool's challenges, in upstream's form and in nginx's form here. */
#define CM_UPSTREAM_ACME_TARGET  "/var/lib/acme/conf/target"
#define CM_UPSTREAM_ACME_WEBROOT "/var/www/html/.well-known/acme-challenge"
#define CM_ACME_WEBROOT          "/var/lib/chatmail/acme/.well-known/acme-challenge"

/* Lists, ended by NULL: units to stop and disable, units only to stop, because both relays use
   them, files to move away, and files and directories that are rewritten. */
extern const char *const cm_upstream_services[];
extern const char *const cm_upstream_pauses[];
extern const char *const cm_upstream_obstacles[];
extern const char *const cm_upstream_copies[];

/* Adds to notes what the operator should know: keys with another meaning, features without an
   equivalent, crontabs. root is "" or replaces "/". */
bool cm_upstream_survey(const char *root, json_t *notes, struct cm_error *err);

/* The command that installs our packages and the distribution's Dovecot, malloc'd. */
char *cm_upstream_apt_command(const char *root);

/* root and path, malloc'd; NULL if out of memory. */
char *cm_upstream_path(const char *root, const char *path);

/* True if a file exists at root and path. */
bool cm_upstream_exists(const char *root, const char *path);

#endif
