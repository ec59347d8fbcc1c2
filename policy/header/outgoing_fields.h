/*
 * outgoing_fields - the header fields that may leave in the clear, and their values
 *
 * One table, in outgoing_fields.c. The type of each row reads the value and writes the part that
 * may leave: addresses without names, identifiers, numbers, words of a list, and no text. Delta
 * Chat's values stay unchanged.
 */
#ifndef CM_OUTGOING_FIELDS_H
#define CM_OUTGOING_FIELDS_H

#include <stdbool.h>

#include "field_writer.h"

/* Writes the part of a field that may leave. False if no part may: the field is deleted. */
typedef bool cm_field_type_fn(const char *value, struct cm_field_writer *writer);

/* The type of the fields of this name, any case; NULL if they may not leave. */
cm_field_type_fn *cm_outgoing_field_type(const char *name);

/* True if fields of this name leave only with a request of the secure-join protocol. Delta Chat
   encrypts them in other messages. */
bool cm_outgoing_field_is_request(const char *name);

#endif
