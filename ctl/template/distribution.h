/*
 * distribution - what the distribution of a machine decides in the templates
 */
#ifndef CM_DISTRIBUTION_H
#define CM_DISTRIBUTION_H

#include "config.h"

/* The path of OpenDKIM's configuration on the machine below root. The caller frees it; NULL if out
   of memory. */
char *cm_distribution_opendkim_conf(const char *root);

/* The maximum number of connections to each of Postfix's SMTP services: max_smtp_connections, or
   fewer if the libmilter of the machine below root does not support as many. */
unsigned int cm_distribution_smtp_connections(const char *root, const struct cm_config *config);

#endif
