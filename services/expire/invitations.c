#include "invitations.h"

#include "invitation.h"

static bool judge(const struct cm_invitation *invitation, void *context)
{
	struct expire_state *state = context;
	enum cm_invitation_status status = CM_INVITATION_OK;
	struct cm_error err;

	if (!expire_invitation(&state->rules, invitation))
		return true;
	if (!state->options->dry_run)
		status = cm_invitation_revoke(state->config, invitation->id, &err);
	if (status == CM_INVITATION_TROUBLE)
		expire_trouble(state, NULL, &err);
	if (status != CM_INVITATION_OK)
		return true;
	expire_list_deletion(state, "invitation", CM_INVITATION_DIR, invitation->id, "");
	state->result->invitations_deleted++;
	return true;
}

void expire_invitations(struct expire_state *state)
{
	struct cm_error err;

	if (!cm_invitation_each(state->config, judge, state, &err))
		expire_trouble(state, NULL, &err);
	if (!state->options->dry_run &&
	    !cm_invitation_clean(state->config, state->rules.now - EXPIRE_REST_SECONDS, &err))
		expire_trouble(state, NULL, &err);
}
