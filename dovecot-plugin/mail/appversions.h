/*
 * appversions - the current versions of the apps, for METADATA
 *
 * A JSON file in the package, which the operator may replace by one in /etc. Clients read it as
 * one line.
 */
#ifndef CM_APPVERSIONS_H
#define CM_APPVERSIONS_H

#include <stdbool.h>

#include "error.h"

/* The first of the files that exists, as JSON without white space: malloc'd; NULL if there is
   none. False with err filled if it cannot be read or is not a JSON object. */
bool cm_appversions_read(char **text_r, struct cm_error *err);

#endif
