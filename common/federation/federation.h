/*
 * federation - the mail domains with which this relay exchanges mail
 *
 * `federation = open`: all except those in federation_deny_file. `federation = listed`: only
 * those in federation_allow_file, except denied ones. The relay's own domain is always allowed.
 * The files are lists of domains (peer_list.h). Thread-safe.
 */
#ifndef CM_FEDERATION_H
#define CM_FEDERATION_H

#include <stdbool.h>

#include "config.h"

/* The beginning of a refusal; the domain follows. */
#define CM_FEDERATION_REPLY "This relay does not exchange mail with "

struct cm_federation;

/* The configuration is borrowed and must outlive it. NULL only if out of memory. */
struct cm_federation *cm_federation_new(const struct cm_config *config);
/* For another configuration; a list whose path is the same keeps its state. */
struct cm_federation *cm_federation_renew(const struct cm_federation *old,
					  const struct cm_config *config);
/* Sets the pointer to NULL; NULL is left alone. */
void cm_federation_free(struct cm_federation **federation);

/* domain: in lower case; a literal includes its brackets. */
bool cm_federation_allows(struct cm_federation *federation, const char *domain);

#endif
