/*
 * config_show - chatmailctl config show: print the rendered files
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "job.h"
#include "json_print.h"

bool cm_job_add_member(const struct cm_job *job, json_t *object, const char *name,
		       const char *value)
{
	if (json_object_set_new(object, name, json_string(value)) == 0)
		return true;
	cm_error_set(job->err, "not UTF-8, as JSON must be, or out of memory: %s", name);
	return false;
}

int cm_job_finish_json(json_t *object, bool good, int good_status)
{
	if (good && object != NULL)
		good = cm_json_print(object, NULL);
	else
		json_decref(object);
	return good ? good_status : CM_EXIT_TROUBLE;
}

struct listing {
	const struct cm_job *job;
	json_t *object;
	bool good;
};

static void list_setting(const char *name, const char *value, const char *note, void *context)
{
	struct listing *listing = context;

	if (!listing->job->json)
		printf("%s = %s\t# %s\n", name, value, note);
	else if (listing->good)
		listing->good = cm_job_add_member(listing->job, listing->object, name, value);
}

static int list_settings(const struct cm_job *job, json_t *object)
{
	struct listing listing = {job, object, true};

	cm_settings_each(job->settings, list_setting, &listing);
	return cm_job_finish_json(object, listing.good, CM_EXIT_OK);
}

static bool named(const struct cm_job *job, const char *template)
{
	for (int n = 0; n < job->name_count; n++)
		if (strcmp(job->names[n], template) == 0)
			return true;
	return job->name_count == 0;
}

static void show_text(const struct cm_job *job, const char *name, const char *text, bool first)
{
	if (job->name_count != 1)
		printf("%s==> %s <==\n", first ? "" : "\n", name);
	fputs(text, stdout);
}

static void no_such_template(const struct cm_job *job)
{
	cm_error_set(job->err, "no such template; these exist:");
	for (size_t i = 0; i < job->manifest.count; i++) {
		size_t used = strlen(job->err->text);

		snprintf(job->err->text + used, sizeof(job->err->text) - used, " %s",
			 job->manifest.rows[i].template);
	}
}

int cm_job_show(struct cm_job *job)
{
	json_t *object = job->json ? json_object() : NULL;
	int found = 0;
	bool good = true;

	if (job->settings_only)
		return list_settings(job, object);
	good = cm_job_read_manifest(job);
	for (size_t i = 0; good && i < job->manifest.count; i++) {
		const char *template = job->manifest.rows[i].template;
		char *text;

		if (!named(job, template))
			continue;
		text = cm_job_render(job, template);
		good = text != NULL;
		if (good && job->json)
			good = cm_job_add_member(job, object, template, text);
		else if (good)
			show_text(job, template, text, found == 0);
		found++;
		free(text);
	}
	if (good && found < job->name_count) {
		no_such_template(job);
		good = false;
	}
	return cm_job_finish_json(object, good, CM_EXIT_OK);
}
