/*
 * second_reader - does GMime read the same structure?
 *
 * Our own readers are strict; GMime reads as mail programs do. A message passes only if both find
 * the same structure: one level of parts, their number, types and encodings, the same boundary,
 * the same address in From. GMime is used only if more than one reading is possible
 * (usual_form.h). It gets only the skeleton (skeleton.h) of a message that our readers accepted,
 * so its work, its memory and its recursion are bounded.
 */
#ifndef CM_SECOND_READER_H
#define CM_SECOND_READER_H

#include <stdbool.h>

#include "address.h"
#include "finding.h"
#include "mime.h"
#include "skeleton.h"

/* Call this first. Further calls do nothing. */
void cm_second_reader_start(void);

/* True if GMime, too, finds exactly this one address in a From header's value. */
bool cm_second_reader_from(const char *value, const struct cm_address *address);

/* False with finding set if GMime reads the skeleton differently from `mime`. type: the message's
   content type. protocol: its parameter, NULL if it has none. */
bool cm_second_reader_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime,
				const char *type, const char *protocol, struct cm_finding *finding);

#endif
