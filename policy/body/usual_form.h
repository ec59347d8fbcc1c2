/*
 * usual_form - recognizes the exact forms that encrypting programs write
 *
 * Nearly every message has one of a few unambiguous forms: no comment, no escape, no encoded word.
 * Reading them with GMime (second_reader.h) takes several times as long as everything else, so it
 * is asked only about the rest. tests/unit/policy/body/test_usual_form.c and the fuzz target `from`
 * show that it would agree.
 */
#ifndef CM_USUAL_FORM_H
#define CM_USUAL_FORM_H

#include <stdbool.h>

#include "address.h"
#include "mime.h"

/* True if the value of From is the address and nothing else, with or without angle brackets, and
   only of letters, digits, and dots, hyphens and underscores where they mean nothing else. */
bool cm_usual_from(const char *value, const struct cm_address *address);

/* True if the skeleton of a message is that of an encrypted one (RFC 3156 4) as Delta Chat and
   others write it, with the boundary that `mime` read. */
bool cm_usual_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime);

#endif
