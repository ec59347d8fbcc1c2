/*
 * federation - with which mail domains this relay exchanges mail
 *
 * `federation = open`: with all but those in federation_deny_file. `federation = listed`: with
 * those in federation_allow_file alone, and not with those that are denied too. The relay's own
 * domain is always allowed. The files are lists of domains (peer_list.h). Thread-safe.
 */
#ifndef CM_FEDERATION_H
#define CM_FEDERATION_H

#include <stdbool.h>

#include "config.h"

/* Refuses the mail of one domain, which is to be put in. */
#define CM_FEDERATION_REPLY "This relay does not exchange mail with "

struct cm_federation;

/* The configuration is borrowed and must outlive it. NULL only if out of memory. */
struct cm_federation *cm_federation_new(const struct cm_config *config);
/* Under another configuration; a file that is still the same keeps its state. */
struct cm_federation *cm_federation_renew(const struct cm_federation *old,
					  const struct cm_config *config);
/* Sets the pointer to NULL; NULL is left alone. */
void cm_federation_free(struct cm_federation **federation);

/* domain: lower case; a literal has its brackets. */
bool cm_federation_allows(struct cm_federation *federation, const char *domain);

#endif
