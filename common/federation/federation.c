#include "federation.h"

#include <stdlib.h>
#include <string.h>

#include "peer_list.h"

struct cm_federation {
	const struct cm_config *config;
	struct cm_peer_list *allowed, *denied;
};

/* Takes over the lists; NULL means that memory ran out. */
static struct cm_federation *federation_new(const struct cm_config *config,
					    struct cm_peer_list *allowed,
					    struct cm_peer_list *denied)
{
	struct cm_federation *federation = calloc(1, sizeof(*federation));

	if (federation == NULL || allowed == NULL || denied == NULL) {
		cm_peer_list_free(&allowed);
		cm_peer_list_free(&denied);
		free(federation);
		return NULL;
	}
	*federation = (struct cm_federation){config, allowed, denied};
	return federation;
}

struct cm_federation *cm_federation_new(const struct cm_config *config)
{
	return federation_new(config, cm_peer_list_new(config->federation_allow_file),
			      cm_peer_list_new(config->federation_deny_file));
}

struct cm_federation *cm_federation_renew(const struct cm_federation *old,
					  const struct cm_config *config)
{
	return federation_new(config,
			      cm_peer_list_renew(old->allowed, config->federation_allow_file),
			      cm_peer_list_renew(old->denied, config->federation_deny_file));
}

void cm_federation_free(struct cm_federation **federation)
{
	if (*federation == NULL)
		return;
	cm_peer_list_free(&(*federation)->allowed);
	cm_peer_list_free(&(*federation)->denied);
	free(*federation);
	*federation = NULL;
}

bool cm_federation_allows(struct cm_federation *federation, const char *domain)
{
	const struct cm_config *config = federation->config;

	if (strcmp(domain, config->mail_domain) == 0)
		return true;
	if (cm_peer_list_match_domain(federation->denied, domain))
		return false;
	return config->federation == CM_FEDERATION_OPEN ||
	       cm_peer_list_match_domain(federation->allowed, domain);
}
