/*
 * usual_form - recognize the exact forms that encrypting programs write
 *
 * Nearly every message has one of a few unambiguous forms: no comment, no escape, no encoded word.
 * Reading them with GMime (second_reader.h) takes several times as long as all other checks, so
 * only other forms are read with it. tests/unit/policy/body/test_usual_form.c and the fuzz target
 * `from` show that GMime would agree.
 */
#ifndef CM_USUAL_FORM_H
#define CM_USUAL_FORM_H

#include <stdbool.h>

#include "address.h"
#include "mime.h"

/* True if the value of From is only the address, with or without angle brackets, consisting of
   letters, digits, and dots, hyphens and underscores in places where they have no other
   meaning. */
bool cm_usual_from(const char *value, const struct cm_address *address);

/* True if the skeleton is that of an encrypted message (RFC 3156 4) in the form of Delta Chat
   and others, with the boundary in `mime`. */
bool cm_usual_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime);

#endif
