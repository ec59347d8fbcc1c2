/*
 * fuzz_invitation - invitation.json
 *
 * What is accepted is in its bounds, and means the same when it is written again.
 */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "invitation_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_invitation invitation = {.note = NULL}, again = {.note = NULL};
	struct cm_error err = {""};
	json_t *json;
	char *text;

	if (!cm_invitation_parse((const char *)data, size, &invitation, &err)) {
		require(err.text[0] != '\0' && invitation.note == NULL);
		return 0;
	}
	require(invitation.uses >= 1 && invitation.uses <= CM_INVITATION_USES_MAX);
	require(invitation.expires >= 0);
	json = json_pack("{s:I, s:I, s:I, s:s}", "created", (json_int_t)invitation.created,
			 "expires", (json_int_t)invitation.expires, "uses",
			 (json_int_t)invitation.uses, "note", invitation.note);
	text = json_dumps(json, JSON_COMPACT);
	require(text != NULL);
	require(cm_invitation_parse(text, strlen(text), &again, &err));
	require(invitation.created == again.created && invitation.expires == again.expires);
	require(invitation.uses == again.uses && strcmp(invitation.note, again.note) == 0);
	free(text);
	json_decref(json);
	free(invitation.note);
	free(again.note);
	return 0;
}
