/*
 * json_print - a result as JSON on standard output
 */
#ifndef CM_JSON_PRINT_H
#define CM_JSON_PRINT_H

#include <stdbool.h>

#include <jansson.h>

#include "error.h"

/* Prints json, indented or on one line, and releases it. False with err filled if json is NULL or
   the memory does not suffice; cm_options_flush() reports lost output. */
bool cm_json_print(json_t *json, struct cm_error *err);
bool cm_json_print_line(json_t *json, struct cm_error *err);

#endif
