/*
 * outgoing_fields - which header fields may leave in the clear, and with which values
 *
 * One table, in outgoing_fields.c. The type of each row reads the value and writes the part that
 * may leave: addresses without names, identifiers, numbers, words of a list, and no text. What
 * Delta Chat writes comes out as it went in.
 */
#ifndef CM_OUTGOING_FIELDS_H
#define CM_OUTGOING_FIELDS_H

#include <stdbool.h>

#include "field_writer.h"

/* Writes the part of a field that may leave. False if nothing may: the field is deleted. */
typedef bool cm_field_type_fn(const char *value, struct cm_field_writer *writer);

/* The type of the fields of this name, any case; NULL if they may not leave. */
cm_field_type_fn *cm_outgoing_field_type(const char *name);

#endif
