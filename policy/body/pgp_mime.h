/*
 * pgp_mime - the two parts of an encrypted message (RFC 3156 4)
 */
#ifndef CM_PGP_MIME_H
#define CM_PGP_MIME_H

#include "armor.h"
#include "mime.h"

struct cm_pgp_mime {
	bool strict;
	bool version_seen;
	struct cm_armor armor;
	struct cm_finding *finding;
};

/* For cm_mime_init(), with a struct cm_pgp_mime as context. */
extern const struct cm_mime_format cm_pgp_mime_format;

/* strict, for outgoing mail: no unnecessary white space, and as in cm_armor_init(). finding is
   borrowed. */
void cm_pgp_mime_init(struct cm_pgp_mime *pgp, bool strict, struct cm_finding *finding);

#endif
