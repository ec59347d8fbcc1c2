/*
 * policy_state - the inside of struct cm_policy
 */
#ifndef CM_POLICY_STATE_H
#define CM_POLICY_STATE_H

#include "blocked_senders.h"
#include "config.h"
#include "rate_limit.h"

struct cm_policy {
	const struct cm_config *config; /* borrowed */
	struct cm_rate_limit *rate_limit;
	struct cm_blocked_senders *blocked;
};

#endif
