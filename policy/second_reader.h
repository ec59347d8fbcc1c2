/*
 * second_reader - does GMime read the same structure?
 *
 * Our own readers are strict; GMime is a reader as mail programs have them. A message passes only
 * if both see the same: one level of parts, their number, types and encodings, the same boundary,
 * the same address in From. GMime is asked where more than one reading is thinkable (usual_form.h).
 * It is given the skeleton alone (skeleton.h) and only what our readers accepted, so its work, its
 * memory and its recursion are bounded.
 */
#ifndef CM_SECOND_READER_H
#define CM_SECOND_READER_H

#include <stdbool.h>

#include "address.h"
#include "finding.h"
#include "mime.h"
#include "skeleton.h"

/* Before anything else here. May be called again. */
void cm_second_reader_start(void);

/* True if GMime too finds exactly this one address in a From header's value. */
bool cm_second_reader_from(const char *value, const struct cm_address *address);

/* False with finding set if GMime reads the skeleton otherwise than `mime` did. type: the message's
   content type. protocol: its parameter, NULL if it has none. */
bool cm_second_reader_structure(const struct cm_skeleton *skeleton, const struct cm_mime *mime,
				const char *type, const char *protocol, struct cm_finding *finding);

#endif
