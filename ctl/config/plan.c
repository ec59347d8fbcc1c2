#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "merge.h"

/* The copy of a file that existed before the first `apply`. */
#define PLAN_OLD ".chatmail-old"

static bool copy(struct cm_job *job, const struct cm_managed *from, struct cm_managed *to)
{
	cm_managed_free(to);
	return cm_managed_copy(from, to, job->err);
}

/* Paths may be given with the root, as they are printed, or without it. */
static bool listed(const struct cm_job *job, const char *path, const struct cm_job_words *words)
{
	size_t length = strlen(job->root);

	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->list[i], path) == 0 ||
		    (strncmp(words->list[i], job->root, length) == 0 &&
		     strcmp(words->list[i] + length, path) == 0))
			return true;
	return false;
}

static bool read_current(struct cm_job *job, struct cm_change *change)
{
	char *target = cm_state_target(&job->state, change->path, job->err);
	char *base = cm_state_path(&job->state, "base", change->path, job->err);
	bool good = target != NULL && base != NULL &&
		    cm_managed_read(target, &change->before, &change->owner, job->err) &&
		    cm_managed_read(base, &change->base_before, NULL, job->err) &&
		    copy(job, &change->before, &change->after) &&
		    copy(job, &change->base_before, &change->base_after);

	free(target);
	free(base);
	return good;
}

/* Both sides changed the file. mine keeps its edits where possible. */
static bool merge(struct cm_job *job, struct cm_change *change, const struct cm_managed *base,
		  const struct cm_managed *theirs, const struct cm_managed *base_after)
{
	struct cm_managed merged = {NULL, 0};

	switch (cm_merge(job->state.workdir, base, &change->before, theirs, &merged, job->err)) {
	case CM_MERGE_FAILED:
		return false;
	case CM_MERGE_CONFLICT:
		change->outcome = CM_CONFLICT;
		return true;
	case CM_MERGE_CLEAN:
		break;
	}
	change->outcome = CM_MERGED;
	cm_managed_free(&change->after);
	change->after = merged;
	return copy(job, base_after, &change->base_after);
}

/* Copies the file as it was before the first apply, unless the copy exists. */
static bool keep_old(struct cm_job *job, struct cm_changes *changes, size_t index)
{
	struct cm_change *old;
	char *path;
	bool good;

	if (asprintf(&path, "%s" PLAN_OLD, changes->list[index].path) < 0)
		path = NULL;
	old = path != NULL ? cm_changes_add(changes, path) : NULL;
	free(path);
	if (old == NULL) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	good = read_current(job, old);
	old->outcome = CM_HIDDEN;
	if (good && old->before.data == NULL) {
		old->owner = changes->list[index].owner;
		good = copy(job, &changes->list[index].before, &old->after);
	}
	return good;
}

/* The file becomes the fresh text. */
static bool use_fresh(struct cm_job *job, struct cm_change *change, enum cm_outcome outcome)
{
	change->outcome = outcome;
	return copy(job, &change->fresh, &change->after) &&
	       copy(job, &change->fresh, &change->base_after);
}

/* The file stays, because the operator has seen the template's version. */
static bool use_mine(struct cm_job *job, struct cm_change *change, enum cm_outcome outcome)
{
	change->outcome = outcome;
	return copy(job, &change->fresh, &change->base_after);
}

/* The file was there before. It keeps its owner and mode, unless a secret comes into it that those
   would show to everybody. */
static bool replace(struct cm_job *job, const struct cm_manifest_row *row,
		    struct cm_changes *changes, size_t index)
{
	bool secret = (row->owner.mode & 0004) == 0;

	if (!use_fresh(job, &changes->list[index], CM_REPLACED) || !keep_old(job, changes, index))
		return false;
	if (secret && (changes->list[index].owner.mode & ~row->owner.mode) != 0)
		changes->list[index].owner = row->owner;
	return true;
}

static bool decide_known(struct cm_job *job, struct cm_change *change)
{
	bool edited = !cm_managed_equal(&change->before, &change->base_before);
	bool updated = !cm_managed_equal(&change->fresh, &change->base_before);

	if (change->before.data == NULL)
		change->outcome = CM_DELETED;
	else if (!edited && updated)
		return use_fresh(job, change, CM_CHANGED);
	else if (edited && !updated)
		change->outcome = CM_EDITED;
	else if (edited)
		return merge(job, change, &change->base_before, &change->fresh, &change->fresh);
	return true;
}

static bool decide(struct cm_job *job, const struct cm_manifest_row *row,
		   struct cm_changes *changes, size_t index)
{
	struct cm_change *change = &changes->list[index];

	if (cm_managed_equal(&change->before, &change->fresh))
		return use_mine(job, change, CM_UNCHANGED);
	if (listed(job, change->path, &job->take) &&
	    (change->before.data == NULL || change->base_before.data != NULL))
		return use_fresh(job, change, CM_CHANGED);
	if (listed(job, change->path, &job->keep))
		return use_mine(job, change, CM_EDITED);
	if (row->once && !listed(job, change->path, &job->take) &&
	    (change->before.data != NULL || change->base_before.data != NULL))
		return use_mine(job, change, change->before.data != NULL ? CM_EDITED : CM_DELETED);
	if (change->base_before.data != NULL)
		return decide_known(job, change);
	if (change->before.data == NULL)
		return use_fresh(job, change, CM_CREATED);
	return replace(job, row, changes, index);
}

static bool add_row(struct cm_job *job, const struct cm_manifest_row *row,
		    struct cm_changes *changes)
{
	struct cm_change *change;

	if (cm_changes_find(changes, row->destination) != NULL) {
		cm_error_set(job->err, "%s: listed twice in the manifest", row->destination);
		return false;
	}
	change = cm_changes_add(changes, row->destination);
	if (change == NULL) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	change->template = row->template;
	change->owner = row->owner;
	change->fresh.data = cm_job_render(job, row->template);
	if (change->fresh.data == NULL || !read_current(job, change))
		return false;
	change->fresh.length = strlen(change->fresh.data);
	return decide(job, row, changes, changes->count - 1);
}

struct orphans {
	struct cm_job *job;
	struct cm_changes *changes;
};

/* A file that we wrote once and that no template creates any more. */
static bool add_orphan(const char *path, void *context)
{
	struct orphans *orphans = context;
	struct cm_change *change;

	if (cm_changes_find(orphans->changes, path) != NULL)
		return true;
	change = cm_changes_add(orphans->changes, path);
	if (change == NULL) {
		cm_error_set(orphans->job->err, "out of memory");
		return false;
	}
	if (!read_current(orphans->job, change))
		return false;
	change->outcome = CM_LEFT;
	if (change->before.data == NULL ||
	    cm_managed_equal(&change->before, &change->base_before)) {
		change->outcome = CM_REMOVED;
		cm_managed_free(&change->after);
	}
	cm_managed_free(&change->base_after);
	return true;
}

static bool check_listed(struct cm_job *job, const struct cm_changes *changes,
			 const struct cm_job_words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		const struct cm_job_words word = {{words->list[i]}, 1};
		bool found = false;

		for (size_t c = 0; !found && c < changes->count; c++)
			found = changes->list[c].template != NULL &&
				listed(job, changes->list[c].path, &word);
		if (!found) {
			cm_error_set(job->err, "%s: no template makes this file", words->list[i]);
			return false;
		}
	}
	return true;
}

bool cm_plan_make(struct cm_job *job, struct cm_changes *changes_r)
{
	struct orphans orphans = {job, changes_r};

	*changes_r = (struct cm_changes){0};
	if (!cm_job_read_manifest(job))
		return false;
	for (size_t i = 0; i < job->manifest.count; i++)
		if (!add_row(job, &job->manifest.rows[i], changes_r))
			return false;
	return check_listed(job, changes_r, &job->take) &&
	       check_listed(job, changes_r, &job->keep) &&
	       cm_state_each_base(&job->state, add_orphan, &orphans, job->err);
}

/* --- Rollback ------------------------------------------------------------------------------- */

static bool take_back(struct cm_job *job, const struct cm_change *done, struct cm_change *change)
{
	if (!copy(job, &done->before, &change->fresh))
		return false;
	if (cm_managed_equal(&change->before, &done->after) ||
	    cm_managed_equal(&change->before, &done->before)) {
		change->outcome = cm_managed_equal(&change->before, &done->before) ? CM_UNCHANGED
				  : done->before.data == NULL                      ? CM_REMOVED
										   : CM_CHANGED;
		return copy(job, &done->before, &change->after) &&
		       copy(job, &done->base_before, &change->base_after);
	}
	if (change->before.data == NULL || done->before.data == NULL) {
		/* The operator removed or edited it: leave it as it is. */
		change->outcome = change->before.data == NULL ? CM_DELETED : CM_LEFT;
		return copy(job, &done->base_before, &change->base_after);
	}
	if (listed(job, change->path, &job->keep)) {
		change->outcome = CM_EDITED;
		return copy(job, &done->base_before, &change->base_after);
	}
	if (listed(job, change->path, &job->take)) {
		change->outcome = CM_CHANGED;
		return copy(job, &done->before, &change->after) &&
		       copy(job, &done->base_before, &change->base_after);
	}
	return merge(job, change, &done->after, &done->before, &done->base_before);
}

bool cm_plan_rollback(struct cm_job *job, struct cm_changes *changes_r, unsigned int *number_r)
{
	struct cm_changes done = {0};
	bool good;

	*changes_r = (struct cm_changes){0};
	*number_r = cm_state_newest(&job->state);
	good = cm_job_read_manifest(job) &&
	       (*number_r == 0 || cm_journal_read(&job->state, *number_r, &done, job->err));
	for (size_t i = 0; good && i < job->manifest.count + done.count; i++) {
		const struct cm_manifest_row *row =
		    i < job->manifest.count ? &job->manifest.rows[i] : NULL;
		const char *path =
		    row != NULL ? row->destination : done.list[i - job->manifest.count].path;
		struct cm_change *before, *change;

		if (cm_changes_find(changes_r, path) != NULL)
			continue;
		before = cm_changes_find(&done, path);
		change = cm_changes_add(changes_r, path);
		good = change != NULL;
		if (!good) {
			cm_error_set(job->err, "out of memory");
			break;
		}
		if (row != NULL)
			change->template = row->template;
		change->owner = before != NULL ? before->owner : row->owner;
		good =
		    read_current(job, change) && (before == NULL || take_back(job, before, change));
	}
	cm_changes_free(&done);
	return good;
}

size_t cm_plan_conflicts(const struct cm_changes *changes)
{
	size_t conflicts = 0;

	for (size_t i = 0; i < changes->count; i++)
		conflicts += changes->list[i].outcome == CM_CONFLICT;
	return conflicts;
}
