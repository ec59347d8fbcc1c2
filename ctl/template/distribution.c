#include "distribution.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"

#define ALPINE_RELEASE       "/etc/alpine-release"
#define DEBIAN_OPENDKIM_CONF "/etc/opendkim.conf"
#define ALPINE_OPENDKIM_CONF "/etc/opendkim/opendkim.conf"

/* Connections that a libmilter with select(2) supports, without the program's other descriptors. */
#define SELECT_CONNECTIONS 950
/* The services in master.cf that ask the milter: on the ports 25, 465, twice, and 587, and for
   mail over HTTPS; and those for the front machines. */
#define SERVICES       5
#define FRONT_SERVICES 3

static bool exists(const char *root, const char *file)
{
	char *path = cm_format("%s%s", root, file);
	bool found = path != NULL && access(path, F_OK) == 0;

	free(path);
	return found;
}

/* Alpine's package installs a file there; a machine without either file is identified by another
   one. */
char *cm_distribution_opendkim_conf(const char *root)
{
	bool alpine = exists(root, ALPINE_OPENDKIM_CONF) || exists(root, ALPINE_RELEASE);

	return strdup(alpine ? ALPINE_OPENDKIM_CONF : DEBIAN_OPENDKIM_CONF);
}

/* Alpine builds libmilter without poll(2). */
unsigned int cm_distribution_smtp_connections(const char *root, const struct cm_config *config)
{
	unsigned int services = SERVICES + (config->front_listen[0] != '\0' ? FRONT_SERVICES : 0);
	unsigned int supported = SELECT_CONNECTIONS / services;

	if (!exists(root, ALPINE_RELEASE) || config->max_smtp_connections < supported)
		return config->max_smtp_connections;
	return supported;
}
