#include "change.h"

#include <stdlib.h>
#include <string.h>

const char *const cm_outcome_names[CM_OUTCOME_COUNT] = {
    [CM_UNCHANGED] = "unchanged", [CM_CREATED] = "created", [CM_CHANGED] = "changed",
    [CM_MERGED] = "merged",       [CM_EDITED] = "edited",   [CM_REPLACED] = "replaced",
    [CM_CONFLICT] = "conflict",   [CM_DELETED] = "deleted", [CM_REMOVED] = "removed",
    [CM_LEFT] = "left",           [CM_HIDDEN] = "copy",
};

struct cm_change *cm_changes_add(struct cm_changes *changes, const char *path)
{
	struct cm_change *change;

	if (changes->count == changes->room) {
		size_t room = changes->room == 0 ? 32 : changes->room * 2;
		struct cm_change *list = realloc(changes->list, room * sizeof(*list));

		if (list == NULL)
			return NULL;
		changes->list = list;
		changes->room = room;
	}
	change = &changes->list[changes->count];
	memset(change, 0, sizeof(*change));
	change->path = strdup(path);
	if (change->path == NULL)
		return NULL;
	changes->count++;
	return change;
}

struct cm_change *cm_changes_find(const struct cm_changes *changes, const char *path)
{
	for (size_t i = 0; i < changes->count; i++)
		if (strcmp(changes->list[i].path, path) == 0)
			return &changes->list[i];
	return NULL;
}

void cm_changes_free(struct cm_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		struct cm_change *change = &changes->list[i];

		free(change->path);
		cm_managed_free(&change->before);
		cm_managed_free(&change->after);
		cm_managed_free(&change->base_before);
		cm_managed_free(&change->base_after);
		cm_managed_free(&change->fresh);
	}
	free(changes->list);
	*changes = (struct cm_changes){0};
}

bool cm_change_pending(const struct cm_change *change)
{
	return !cm_managed_equal(&change->before, &change->after) ||
	       !cm_managed_equal(&change->base_before, &change->base_after);
}
