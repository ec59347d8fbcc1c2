/*
 * secure_join - the unencrypted first message of Delta Chat's legacy secure-join
 *
 * multipart/mixed of exactly one text/plain part whose whole text is "secure-join: vc-request" or
 * "secure-join: vg-request", equal to the header Secure-Join; case and surrounding white
 * space do not matter.
 */
#ifndef CM_SECURE_JOIN_H
#define CM_SECURE_JOIN_H

#include "mime.h"

#define CM_SECURE_JOIN_TEXT_MAX 64

struct cm_secure_join {
	const char *step; /* "vc-request" or "vg-request" */
	size_t length;
	char text[CM_SECURE_JOIN_TEXT_MAX + 1];
	struct cm_finding *finding;
};

/* For cm_mime_init(), with a struct cm_secure_join as context. */
extern const struct cm_mime_format cm_secure_join_format;

/* The request in the header's value; NULL if value contains no request or is NULL. */
const char *cm_secure_join_step(const char *value);

/* step is the result of cm_secure_join_step(); finding is borrowed. */
void cm_secure_join_init(struct cm_secure_join *join, const char *step, struct cm_finding *finding);

#endif
