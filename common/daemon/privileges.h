/*
 * privileges - become an ordinary user
 */
#ifndef CM_PRIVILEGES_H
#define CM_PRIVILEGES_H

#include <stdbool.h>

#include "error.h"

/* Becomes the user for good: user ID, primary and supplementary groups. Does nothing if the
   process already runs as this user; fails if it is another user than root. NULL or "" changes
   nothing. */
bool cm_privileges_drop(const char *user, struct cm_error *err);

#endif
