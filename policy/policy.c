#include "policy.h"

#include "policy_state.h"
#include "second_reader.h"

#include <stdlib.h>

/* Takes over limit, blocked and federation; each list is NULL if out of memory. */
static struct cm_policy *policy_new(const struct cm_config *config, struct cm_rate_limit *limit,
				    struct cm_peer_list *blocked, struct cm_federation *federation,
				    struct cm_error *err)
{
	struct cm_policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL || blocked == NULL || federation == NULL) {
		cm_error_set(err, "out of memory");
		cm_rate_limit_free(&limit);
		cm_peer_list_free(&blocked);
		cm_federation_free(&federation);
		free(policy);
		return NULL;
	}
	*policy = (struct cm_policy){config, limit, blocked, federation};
	cm_second_reader_start();
	return policy;
}

struct cm_policy *cm_policy_new(const struct cm_config *config, struct cm_error *err)
{
	struct cm_rate_limit *limit = cm_rate_limit_new(err);

	if (limit == NULL)
		return NULL;
	return policy_new(config, limit, cm_peer_list_new(config->blocked_senders_file),
			  cm_federation_new(config), err);
}

struct cm_policy *cm_policy_renew(const struct cm_policy *old, const struct cm_config *config,
				  struct cm_error *err)
{
	return policy_new(config, cm_rate_limit_share(old->rate_limit),
			  cm_peer_list_renew(old->blocked, config->blocked_senders_file),
			  cm_federation_renew(old->federation, config), err);
}

void cm_policy_free(struct cm_policy **policy)
{
	if (policy == NULL || *policy == NULL)
		return;
	cm_rate_limit_free(&(*policy)->rate_limit);
	cm_peer_list_free(&(*policy)->blocked);
	cm_federation_free(&(*policy)->federation);
	free(*policy);
	*policy = NULL;
}
