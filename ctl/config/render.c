/*
 * render - render the servers' files from the templates
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address_lines.h"
#include "config_value.h"
#include "file.h"
#include "job.h"
#include "managed.h"
#include "page.h"
#include "template.h"

/* Maximum size of a template. */
#define MAX_FILE 1048576

/* The operator's additions: the content of FILE.local, without comments. */
static const char *include_file(struct cm_job *job, const char *path)
{
	struct cm_managed content = {NULL, 0};
	struct cm_error err;
	char *full, *text = NULL, *rest;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	if (asprintf(&full, "%s%s", job->root, path) >= 0) {
		(void)cm_managed_read(full, &content, NULL, &err);
		free(full);
	}
	if (content.data != NULL)
		for (char *line = strtok_r(content.data, "\n", &rest); line != NULL;
		     line = strtok_r(NULL, "\n", &rest))
			if (line[0] != '#' && line[strspn(line, " \t\r")] != '\0')
				fprintf(stream, "%s\n", line);
	cm_managed_free(&content);
	if (fclose(stream) != 0)
		return NULL;
	free(job->included);
	return job->included = text;
}

static const char *setting(const char *name, void *context)
{
	struct cm_job *job = context;
	const char *value;

	if (strcmp(name, "dovecot") == 0)
		return job->dovecot;
	if (strncmp(name, "file:", 5) == 0)
		return include_file(job, name + 5);
	if (cm_secret_value_is(name))
		return cm_secret_value(&job->secrets, name, job->root, job->config, &job->unsafe);
	if (strncmp(name, "lines:", 6) == 0) {
		free(job->included);
		return job->included = cm_address_lines(job->settings, name + 6);
	}
	value = cm_settings_get(job->settings, name);
	if (value == NULL || cm_settings_is_derived(name) || cm_value_is_plain(value))
		return value;
	cm_error_set(&job->unsafe,
		     "%s = %s: contains a character that is special in the servers' configuration",
		     name, value);
	return NULL;
}

char *cm_job_render(struct cm_job *job, const char *template)
{
	char *path, *text = NULL, *result = NULL;
	size_t length;

	if (cm_page_is(template))
		return cm_page_render(job->templates, template, job->settings, job->err);
	if (asprintf(&path, "%s/%s", job->templates, template) < 0) {
		cm_error_set(job->err, "out of memory");
		return NULL;
	}
	if (cm_file_read(AT_FDCWD, path, MAX_FILE, &text, &length))
		result = cm_template_render(path, text, setting, job, job->err);
	else
		cm_error_set_errno(job->err, "%s: cannot be read", path);
	if (result == NULL && job->unsafe.text[0] != '\0')
		*job->err = job->unsafe;
	free(text);
	free(path);
	return result;
}

bool cm_job_read_manifest(struct cm_job *job)
{
	char *text = cm_job_render(job, "manifest");
	bool good = text != NULL && cm_manifest_read("manifest", text, &job->manifest, job->err);

	free(text);
	return good;
}
