#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "directory.h"
#include "process.h"

#define CANNOT_SAY 77

/* Bytes that occur in paths, to find where a path ends. */
#define PATH_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"

struct stage {
	struct cm_job *job;
	const struct cm_changes *changes;
	char *directory;
	const char *certificate, *key;   /* as written in the files */
	char *certificate_now, *key_now; /* their temporary replacements */
};

/* The temporary path during the check; NULL: the path is not moved. */
static char *staged_path(const struct stage *stage, const char *path, size_t length)
{
	char *staged = NULL;

	for (size_t i = 0; i < stage->changes->count; i++) {
		const struct cm_change *change = &stage->changes->list[i];

		if (strlen(change->path) == length && strncmp(change->path, path, length) == 0)
			return asprintf(&staged, "%s%s", stage->directory, change->path) < 0
				   ? NULL
				   : staged;
	}
	if (strlen(stage->certificate) == length && strncmp(stage->certificate, path, length) == 0)
		return strdup(stage->certificate_now);
	if (strlen(stage->key) == length && strncmp(stage->key, path, length) == 0)
		return strdup(stage->key_now);
	return NULL;
}

/* The content with its managed paths moved; malloc'd, NULL if out of memory. */
static bool rewrite(const struct stage *stage, const struct cm_managed *content,
		    struct cm_managed *staged_r)
{
	FILE *stream = open_memstream(&staged_r->data, &staged_r->length);
	const char *text = content->data, *end = content->data + content->length;

	if (stream == NULL)
		return false;
	while (text < end) {
		size_t length = strspn(text, PATH_BYTES);
		char *staged = text[0] == '/' ? staged_path(stage, text, length) : NULL;

		if (length == 0)
			length = 1;
		if (staged != NULL)
			fputs(staged, stream);
		else
			fwrite(text, 1, length, stream);
		text += length;
		free(staged);
	}
	return fclose(stream) == 0 && staged_r->data != NULL;
}

static bool put(struct stage *stage, const char *path, const struct cm_managed *content)
{
	const struct cm_owner owner = {0600, geteuid(), getegid()};
	struct cm_managed staged = {NULL, 0};
	char *target = NULL;
	bool good = rewrite(stage, content, &staged) &&
		    asprintf(&target, "%s%s", stage->directory, path) >= 0;

	if (good)
		good = cm_managed_write(target, &staged, &owner, false, stage->job->err);
	else
		cm_error_set(stage->job->err, "out of memory");
	free(target);
	free(staged.data);
	return good;
}

/* Checks can also read the other files beside a managed file, such as Postfix's
   dynamicmaps.cf. */
static void link_neighbours(const struct stage *stage, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);
	char *real = NULL, *from = NULL, *to = NULL;
	struct dirent *entry;
	DIR *directory;

	/* Except the files in /etc itself. */
	if (memchr(path + 1, '/', length > 0 ? length - 1 : 0) == NULL)
		return;
	if (asprintf(&real, "%s%.*s", stage->job->root, (int)length, path) < 0)
		return;
	directory = opendir(real);
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (cm_directory_is_dot(entry->d_name))
			continue;
		if (asprintf(&from, "%s/%s", real, entry->d_name) < 0)
			break;
		if (asprintf(&to, "%s%.*s/%s", stage->directory, (int)length, path,
			     entry->d_name) >= 0) {
			/* A managed file exists already, and stays. */
			if (symlink(from, to) < 0 && errno != EEXIST)
				fprintf(stderr, "chatmailctl config: %s: cannot be linked: %s\n",
					from, strerror(errno));
			free(to);
		}
		free(from);
	}
	if (directory != NULL)
		closedir(directory);
	free(real);
}

/* The certificate may be issued only after the web server has run: for a check any certificate
   is enough. */
static bool stand_in(struct stage *stage)
{
	static const char *const names[] = {"certificate.pem", "key.pem"};
	const struct cm_owner owner = {0600, geteuid(), getegid()};
	struct cm_error *err = stage->job->err;
	char *texts[2] = {NULL}, **paths[] = {&stage->certificate_now, &stage->key_now};
	bool good;

	if (asprintf(&stage->certificate_now, "%s%s", stage->job->root, stage->certificate) < 0 ||
	    asprintf(&stage->key_now, "%s%s", stage->job->root, stage->key) < 0) {
		stage->certificate_now = stage->key_now = NULL;
		cm_error_set(err, "out of memory");
		return false;
	}
	if (access(stage->certificate_now, F_OK) == 0 && access(stage->key_now, F_OK) == 0)
		return true;
	good = cm_certificate_make("relay.invalid", 1, NULL, &texts[0], &texts[1], err);
	for (size_t i = 0; good && i < 2; i++) {
		const struct cm_managed content = {texts[i], strlen(texts[i])};

		free(*paths[i]);
		if (asprintf(paths[i], "%s/%s", stage->directory, names[i]) < 0)
			*paths[i] = NULL;
		good =
		    *paths[i] != NULL && cm_managed_write(*paths[i], &content, &owner, false, err);
	}
	free(texts[0]);
	free(texts[1]);
	return good;
}

/* Reports the error with the paths that the operator knows. */
static void refuse(struct stage *stage, const char *server, const char *output)
{
	size_t length = strlen(stage->directory);
	char *clean = strdup(output), *found;

	while (clean != NULL && (found = strstr(clean, stage->directory)) != NULL)
		memmove(found, found + length, strlen(found + length) + 1);
	cm_error_set(stage->job->err, "%s would not run with this, so nothing was changed: %s",
		     server, clean != NULL ? clean : output);
	length = strlen(stage->job->err->text);
	while (length > 0 && stage->job->err->text[length - 1] == '\n')
		stage->job->err->text[--length] = '\0';
	free(clean);
}

/* The program that checks the files of a template; templates of several versions may share one:
   dovecot-2.4/dovecot.conf has dovecot/check. NULL if the template has no check. */
static char *find_check(const struct stage *stage, const char *server)
{
	size_t length = strlen(server);
	char *script;

	while (length > 0) {
		if (asprintf(&script, "%s/%.*s/check", stage->job->templates, (int)length, server) <
		    0)
			return NULL;
		if (access(script, F_OK) == 0)
			return script;
		free(script);
		while (length > 0 && server[--length] != '-')
			;
	}
	return NULL;
}

static bool run_check(struct stage *stage, const char *template)
{
	struct cm_process_result result = {0};
	char *server = strndup(template, strcspn(template, "/"));
	char *script = server != NULL ? find_check(stage, server) : NULL;
	bool good = server != NULL;

	if (script != NULL) {
		const char *const argv[] = {"sh", script, stage->directory, server, NULL};

		good = cm_process_run(argv, true, &result, stage->job->err);
		if (good && result.status != 0 && result.status != CANNOT_SAY) {
			refuse(stage, server, result.output);
			good = false;
		} else if (good && result.status == CANNOT_SAY) {
			fprintf(stderr, "chatmailctl config: %s: not checked: %s", server,
				result.output[0] != '\0' ? result.output : "not installed\n");
		}
	}
	free(result.output);
	free(script);
	free(server);
	return good;
}

/* True if an earlier change is for the same server. */
static bool seen(const struct cm_changes *changes, size_t index)
{
	const char *template = changes->list[index].template;

	for (size_t i = 0; i < index; i++)
		if (changes->list[i].template != NULL &&
		    strncmp(changes->list[i].template, template, strcspn(template, "/") + 1) == 0)
			return true;
	return false;
}

bool cm_stage_check(struct cm_job *job, const struct cm_changes *changes)
{
	struct stage stage = {
	    .job = job,
	    .changes = changes,
	    .certificate = cm_settings_get(job->settings, "tls_certificate"),
	    .key = cm_settings_get(job->settings, "tls_key"),
	};
	bool good;

	if (asprintf(&stage.directory, "%s/stage", job->state.workdir) < 0) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	good = mkdir(stage.directory, 0700) == 0 && stand_in(&stage);
	for (size_t i = 0; good && i < changes->count; i++)
		if (changes->list[i].after.data != NULL && changes->list[i].template != NULL)
			good = put(&stage, changes->list[i].path, &changes->list[i].after);
	for (size_t i = 0; good && i < changes->count; i++)
		if (changes->list[i].after.data != NULL && changes->list[i].template != NULL)
			link_neighbours(&stage, changes->list[i].path);
	for (size_t i = 0; good && i < changes->count; i++)
		if (changes->list[i].template != NULL && !seen(changes, i))
			good = run_check(&stage, changes->list[i].template);
	cm_state_remove_tree(stage.directory);
	free(stage.certificate_now);
	free(stage.key_now);
	free(stage.directory);
	return good;
}
