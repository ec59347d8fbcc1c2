/*
 * privileges - become an ordinary user
 */
#ifndef CM_PRIVILEGES_H
#define CM_PRIVILEGES_H

#include <stdbool.h>

#include "error.h"

/* Becomes the user for good: user id, primary and supplementary groups. A process that already runs
   as this user stays as it is; any other that is not root fails. NULL or "" changes nothing. */
bool cm_privileges_drop(const char *user, struct cm_error *err);

#endif
