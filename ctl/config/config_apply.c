/*
 * config_apply - chatmailctl config list, diff, apply and rollback
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "file.h"
#include "job.h"
#include "journal.h"
#include "merge.h"
#include "plan.h"
#include "reload.h"
#include "stage.h"

/* --- Reports -------------------------------------------------------------------------------- */

static bool report_path(const struct cm_job *job, const struct cm_change *change, bool all,
			json_t *object)
{
	const char *word = cm_outcome_names[change->outcome];
	char *path;
	bool good = true;

	if (change->outcome == CM_HIDDEN ||
	    (!all && object == NULL && change->outcome == CM_UNCHANGED))
		return true;
	path = cm_state_target(&job->state, change->path, job->err);
	if (path == NULL)
		return false;
	if (object != NULL)
		good = cm_job_add_member(job, object, path, word);
	else
		printf("%-9s %s\n", word, path);
	free(path);
	return good;
}

/* all: also the unchanged files; JSON always includes them. */
static bool report(const struct cm_job *job, const struct cm_changes *changes, bool all,
		   json_t *object)
{
	bool good = true;

	for (size_t i = 0; good && i < changes->count; i++)
		good = report_path(job, &changes->list[i], all, object);
	return good;
}

/* The difference between the file and its new content; in a conflict, the template's. */
static char *difference(const struct cm_job *job, const struct cm_change *change)
{
	bool conflict = change->outcome == CM_CONFLICT;
	const struct cm_managed *to = conflict ? &change->fresh : &change->after;
	char *from_label = cm_state_target(&job->state, change->path, job->err), *to_label = NULL;
	char *text = NULL;

	if (from_label != NULL &&
	    asprintf(&to_label, "%s%s", from_label, conflict ? CM_JOURNAL_NEW : " (new)") >= 0)
		text = cm_merge_diff(job->state.workdir, &change->before, from_label, to, to_label,
				     job->err);
	cm_secret_values_hide(&job->secrets, text);
	free(from_label);
	free(to_label);
	return text;
}

static bool asked_for(const struct cm_job *job, const struct cm_change *change)
{
	size_t root = strlen(job->root);

	for (int i = 0; i < job->name_count; i++) {
		const char *name = job->names[i];

		if (strcmp(name, change->path) == 0 ||
		    (strncmp(name, job->root, root) == 0 && strcmp(name + root, change->path) == 0))
			return true;
	}
	return job->name_count == 0;
}

static void hint_at_recovery(const struct cm_job *job)
{
	if (cm_journal_interrupted(&job->state))
		fputs("chatmailctl config: the last change was interrupted: `chatmailctl config "
		      "apply` finishes it\n",
		      stderr);
}

/* After a failure: some files may be in place already. */
static void hint_at_the_rest(const struct cm_job *job)
{
	if (cm_journal_interrupted(&job->state))
		fputs("chatmailctl config: not all files are changed yet: when the reason below is "
		      "gone, `chatmailctl config finish` changes the others\n",
		      stderr);
}

int cm_job_list(struct cm_job *job)
{
	json_t *object = job->json ? json_object() : NULL;
	struct cm_changes changes;
	bool good;

	hint_at_recovery(job);
	good = cm_plan_make(job, &changes) && report(job, &changes, true, object);
	cm_changes_free(&changes);
	return cm_job_finish_json(object, good, CM_EXIT_OK);
}

int cm_job_diff(struct cm_job *job)
{
	json_t *object = job->json ? json_object() : NULL;
	struct cm_changes changes;
	int status = CM_EXIT_OK;
	bool good;

	hint_at_recovery(job);
	good = cm_plan_make(job, &changes);
	for (size_t i = 0; good && i < changes.count; i++) {
		const struct cm_change *change = &changes.list[i];
		char *text;

		if (change->outcome == CM_HIDDEN || !asked_for(job, change))
			continue;
		text = difference(job, change);
		good = text != NULL;
		if (good && text[0] != '\0') {
			status = CM_EXIT_NO;
			if (object != NULL)
				good = cm_job_add_member(job, object, change->path, text);
			else
				fputs(text, stdout);
		}
		free(text);
	}
	cm_changes_free(&changes);
	return cm_job_finish_json(object, good, status);
}

/* --- Changing ------------------------------------------------------------------------------- */

/* Writes FILE.chatmail-new and prints what to do; changes no other file. */
static bool leave_conflicts(const struct cm_job *job, const struct cm_changes *changes)
{
	bool good = true;

	for (size_t i = 0; good && i < changes->count; i++) {
		const struct cm_change *change = &changes->list[i];
		char *path, *text;

		if (change->outcome != CM_CONFLICT)
			continue;
		if (asprintf(&path, "%s%s" CM_JOURNAL_NEW, job->root, change->path) < 0) {
			cm_error_set(job->err, "out of memory");
			return false;
		}
		good = job->dry_run ||
		       cm_managed_write(path, &change->fresh, &change->owner, true, job->err);
		text = good && !job->json ? difference(job, change) : NULL;
		if (text != NULL)
			fputs(text, stdout);
		if (good)
			fprintf(stderr,
				"chatmailctl config: %s%s: you and the template changed the same "
				"lines; the template's version is in %s\n",
				job->root, change->path, path);
		free(text);
		free(path);
	}
	if (good)
		fputs("chatmailctl config: nothing was changed: for each FILE, merge the changes "
		      "and run this again with --keep FILE, or use the template's version with "
		      "--take FILE\n",
		      stderr);
	return good;
}

/* FILE.chatmail-new is obsolete. */
static void remove_new(const struct cm_job *job, const struct cm_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		char *path;

		if (changes->list[i].template == NULL ||
		    asprintf(&path, "%s%s" CM_JOURNAL_NEW, job->root, changes->list[i].path) < 0)
			continue;
		(void)unlink(path);
		free(path);
	}
}

static bool changes_files(const struct cm_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (!cm_managed_equal(&changes->list[i].before, &changes->list[i].after))
			return true;
	return false;
}

static void clean(const struct cm_job *job, const struct cm_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		char *path = cm_state_target(&job->state, changes->list[i].path, job->err);

		if (path != NULL)
			cm_managed_clean(path);
		free(path);
	}
}

static bool changes_files_of(const struct cm_changes *changes, const char *directory)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct cm_change *change = &changes->list[i];

		if (strncmp(change->path, directory, strlen(directory)) == 0 &&
		    !cm_managed_equal(&change->before, &change->after))
			return true;
	}
	return false;
}

/* The running servers still use the files from before. */
static void print_reloads(const struct cm_job *job, const struct cm_changes *changes)
{
	const char *separator = "\nto use the changed files: ";

	if (job->json || job->dry_run || job->root[0] != '\0')
		return;
	for (size_t i = 0; i < CM_RELOAD_COUNT; i++) {
		const struct cm_reload *server = &cm_reloads[i];

		if (!changes_files_of(changes, server->directory) || !cm_reload_runs(server))
			continue;
		fputs(separator, stdout);
		for (const char *const *word = server->command; *word != NULL; word++)
			printf("%s%s", word == server->command ? "" : " ", *word);
		separator = "; ";
	}
	if (strcmp(separator, "; ") == 0)
		putchar('\n');
}

/* Checks, commits and reports the changes. Returns the exit status. */
static int carry_out(struct cm_job *job, struct cm_changes *changes, unsigned int undoes)
{
	json_t *object = job->json ? json_object() : NULL;
	int status = CM_EXIT_OK;
	bool good = true;

	if (cm_plan_conflicts(changes) > 0) {
		good = leave_conflicts(job, changes);
		status = CM_EXIT_NO;
	} else {
		if (!job->no_check && changes_files(changes))
			good = cm_stage_check(job, changes);
		if (good && !job->dry_run) {
			clean(job, changes);
			good = cm_journal_commit(&job->state, changes, undoes, job->err);
			if (!good)
				hint_at_the_rest(job);
		}
		if (good && !job->dry_run)
			remove_new(job, changes);
	}
	good = good && report(job, changes, false, object);
	if (good && status == CM_EXIT_OK)
		print_reloads(job, changes);
	return cm_job_finish_json(object, good, status);
}

static bool finish(struct cm_job *job, bool *recovered_r)
{
	bool good = cm_journal_recover(&job->state, recovered_r, job->err);

	if (good && *recovered_r)
		fputs("chatmailctl config: finished an interrupted change\n", stderr);
	if (!good)
		hint_at_the_rest(job);
	return good;
}

static bool recover(struct cm_job *job)
{
	bool recovered;

	if (!job->dry_run)
		return finish(job, &recovered);
	hint_at_recovery(job);
	return true;
}

/* The directory of ACME challenges (RFC 8555 8.3): not all clients create it, and a restored relay
 * lacks it. */
static bool make_challenges(const struct cm_job *job)
{
	char *path;
	bool good;

	if (asprintf(&path, "%s%s/.well-known/acme-challenge", job->root,
		     cm_settings_get(job->settings, "acme_webroot")) < 0) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	good = cm_file_make_directories(path, 0755);
	if (!good)
		cm_error_set_errno(job->err, "%s: cannot be created", path);
	free(path);
	return good;
}

int cm_job_apply(struct cm_job *job)
{
	struct cm_changes changes = {0};
	int status = CM_EXIT_TROUBLE;

	if (recover(job) && cm_plan_make(job, &changes))
		status = carry_out(job, &changes, 0);
	if (status == CM_EXIT_OK && !job->dry_run && !make_challenges(job))
		status = CM_EXIT_TROUBLE;
	cm_changes_free(&changes);
	return status;
}

int cm_job_rollback(struct cm_job *job)
{
	struct cm_changes changes = {0};
	int status = CM_EXIT_TROUBLE;
	unsigned int number;

	if (recover(job) && cm_plan_rollback(job, &changes, &number)) {
		if (number == 0)
			cm_error_set(job->err, "there is no change to undo");
		else
			status = carry_out(job, &changes, number);
	}
	cm_changes_free(&changes);
	return status;
}

int cm_job_finish(struct cm_job *job)
{
	bool recovered = false, good = finish(job, &recovered);
	json_t *object = job->json ? json_pack("{s:b}", "finished", (int)recovered) : NULL;

	return cm_job_finish_json(object, good, CM_EXIT_OK);
}
