#include "policy.h"

#include "policy_state.h"
#include "second_reader.h"

#include <stdlib.h>

/* Takes over limit and blocked; each is NULL if out of memory. */
static struct cm_policy *policy_new(const struct cm_config *config, struct cm_rate_limit *limit,
				    struct cm_blocked_senders *blocked, struct cm_error *err)
{
	struct cm_policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL || blocked == NULL) {
		cm_error_set(err, "out of memory");
		cm_rate_limit_free(&limit);
		cm_blocked_senders_free(&blocked);
		free(policy);
		return NULL;
	}
	policy->config = config;
	policy->rate_limit = limit;
	policy->blocked = blocked;
	cm_second_reader_start();
	return policy;
}

struct cm_policy *cm_policy_new(const struct cm_config *config, struct cm_error *err)
{
	struct cm_rate_limit *limit = cm_rate_limit_new(err);

	if (limit == NULL)
		return NULL;
	return policy_new(config, limit, cm_blocked_senders_new(config->blocked_senders_file), err);
}

struct cm_policy *cm_policy_renew(const struct cm_policy *old, const struct cm_config *config,
				  struct cm_error *err)
{
	return policy_new(config, cm_rate_limit_share(old->rate_limit),
			  cm_blocked_senders_renew(old->blocked, config->blocked_senders_file),
			  err);
}

void cm_policy_free(struct cm_policy **policy)
{
	if (policy == NULL || *policy == NULL)
		return;
	cm_rate_limit_free(&(*policy)->rate_limit);
	cm_blocked_senders_free(&(*policy)->blocked);
	free(*policy);
	*policy = NULL;
}
