/*
 * policy_state - the inside of struct cm_policy
 */
#ifndef CM_POLICY_STATE_H
#define CM_POLICY_STATE_H

#include "config.h"
#include "federation.h"
#include "peer_list.h"
#include "rate_limit.h"

struct cm_policy {
	const struct cm_config *config; /* borrowed */
	struct cm_rate_limit *rate_limit;
	struct cm_peer_list *blocked;
	struct cm_federation *federation;
};

#endif
