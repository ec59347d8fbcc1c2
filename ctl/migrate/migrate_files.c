/*
 * migrate_files - files that migrate saves, changes and restores
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "directory.h"
#include "file.h"
#include "migrate.h"
#include "process.h"
#include "state.h"
#include "upstream.h"

#define FILE_MAX  65536
#define TEMPORARY ".chatmailctl-new"
#define REPLACED  ".chatmailctl-old"
#define WRITTEN   ".chatmailctl-write-" /* random digits follow */

static bool out_of_memory(struct cm_migration *job)
{
	cm_error_set(&job->err, "out of memory");
	return false;
}

static char *saved_path(const struct cm_migration *job, const char *path)
{
	char *saved;

	return asprintf(&saved, "%s" CM_MIGRATE_DIRECTORY "/saved%s", job->root, path) >= 0 ? saved
											    : NULL;
}

static char *with_suffix(const char *path, const char *suffix)
{
	char *result;

	return asprintf(&result, "%s%s", path, suffix) >= 0 ? result : NULL;
}

/* cp -a, with all attributes of a file. */
static bool copy(const char *from, const char *to, struct cm_error *err)
{
	const char *const argv[] = {"cp", "-a", "--", from, to, NULL};
	struct cm_process_result result;
	bool good;

	if (!cm_process_run(argv, true, &result, err))
		return false;
	good = result.status == 0;
	if (!good)
		cm_error_set(err, "%s: cannot be copied: %.300s", from, result.output);
	free(result.output);
	/* The original is deleted next: the copy must survive a power cut. */
	if (good)
		sync();
	return good;
}

static bool make_parent(const char *path, mode_t mode)
{
	char *parent = strdup(path);
	bool good = parent != NULL;

	if (good) {
		*strrchr(parent, '/') = '\0';
		good = cm_file_make_directories(parent, mode);
	}
	free(parent);
	return good;
}

/* Copied to a temporary name first, so that the file is complete at every moment. */
static bool replace(const char *from, const char *to, struct cm_error *err)
{
	char *temporary = with_suffix(to, TEMPORARY), *old = with_suffix(to, REPLACED);
	bool good = temporary != NULL && old != NULL;

	if (!good) {
		cm_error_set(err, "out of memory");
	} else {
		cm_state_remove_tree(temporary);
		cm_state_remove_tree(old);
		good = make_parent(to, 0755) && copy(from, temporary, err);
		if (good &&
		    ((rename(to, old) < 0 && errno != ENOENT) || rename(temporary, to) < 0)) {
			cm_error_set_errno(err, "%s: cannot be replaced", to);
			good = false;
		}
		cm_state_remove_tree(good ? old : temporary);
	}
	free(temporary);
	free(old);
	return good;
}

bool cm_migrate_save(struct cm_migration *job, const char *path)
{
	char *from = cm_upstream_path(job->root, path), *to = saved_path(job, path);
	struct stat st;
	bool good = true;

	if (from == NULL || to == NULL)
		good = out_of_memory(job);
	else if (lstat(to, &st) < 0 && lstat(from, &st) == 0)
		good = replace(from, to, &job->err);
	free(from);
	free(to);
	return good;
}

/* Everything is saved before the first change: what is not saved is unchanged, or was put back by a
   run that was killed. */
bool cm_migrate_put_back(struct cm_migration *job, const char *path)
{
	char *from = saved_path(job, path), *to = cm_upstream_path(job->root, path);
	struct stat st;
	bool good = true;

	if (from == NULL || to == NULL)
		good = out_of_memory(job);
	else if (lstat(from, &st) == 0)
		good = replace(from, to, &job->err);
	free(from);
	free(to);
	return good;
}

/* Removes the remains of a killed run. */
static void remove_temporaries(int directory)
{
	DIR *stream = cm_directory_stream(cm_directory_open(directory, "."));
	struct dirent *entry;

	if (stream == NULL)
		return;
	while ((entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, WRITTEN, strlen(WRITTEN)) == 0)
			(void)unlinkat(directory, entry->d_name, 0);
	}
	closedir(stream);
}

bool cm_migrate_write(struct cm_migration *job, const char *path, const char *text, mode_t mode)
{
	char *joined = cm_upstream_path(job->root, path), *name = NULL;
	int directory = -1;
	bool good;

	if (joined != NULL) {
		name = strrchr(joined, '/');
		*name++ = '\0';
		directory = open(joined, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (directory >= 0)
		remove_temporaries(directory);
	good = directory >= 0 && cm_file_write(directory, name, WRITTEN, text, strlen(text), mode,
					       CM_FILE_REPLACE | CM_FILE_DURABLE);
	if (!good)
		cm_error_set_errno(&job->err, "%s: cannot be written", path);
	if (directory >= 0)
		close(directory);
	free(joined);
	return good;
}

static char *read_text(struct cm_migration *job, const char *path)
{
	char *joined = cm_upstream_path(job->root, path), *text = NULL;
	size_t length;

	if (joined == NULL || !cm_file_read(AT_FDCWD, joined, FILE_MAX, &text, &length)) {
		cm_error_set_errno(&job->err, "%s: cannot be read", path);
		text = NULL;
	}
	free(joined);
	return text;
}

bool cm_migrate_ini(struct cm_migration *job)
{
	char *text = read_text(job, CM_UPSTREAM_INI);
	bool good = text != NULL && cm_migrate_write(job, CM_CONFIG_DEFAULT_PATH, text, 0644);

	free(text);
	return good;
}

bool cm_migrate_acme(struct cm_migration *job)
{
	char *text, *place, *changed = NULL;
	bool good;

	if (!cm_upstream_exists(job->root, CM_UPSTREAM_ACME_TARGET))
		return true;
	text = read_text(job, CM_UPSTREAM_ACME_TARGET);
	if (text == NULL)
		return false;
	place = strstr(text, CM_UPSTREAM_ACME_WEBROOT);
	good = true;
	if (place != NULL && asprintf(&changed, "%.*s" CM_ACME_WEBROOT "%s", (int)(place - text),
				      text, place + strlen(CM_UPSTREAM_ACME_WEBROOT)) < 0)
		good = out_of_memory(job);
	else if (place != NULL)
		good = cm_migrate_write(job, CM_UPSTREAM_ACME_TARGET, changed, 0644);
	free(changed);
	free(text);
	return good;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A run that was killed may have done the first part, or both. */
static bool move_to(const char *from, const char *temporary, const char *to, struct cm_error *err)
{
	if (exists(from)) {
		cm_state_remove_tree(temporary);
		if (rename(from, temporary) < 0 && !copy(from, temporary, err))
			return false;
	}
	if (exists(temporary)) {
		cm_state_remove_tree(to);
		if (rename(temporary, to) < 0) {
			cm_error_set_errno(err, "%s: cannot be written", to);
			return false;
		}
	}
	cm_state_remove_tree(from);
	return true;
}

/* Moves it to NAME.back in the migration's directory, replacing an older one. */
static bool put_aside(struct cm_migration *job, const char *path, const char *name)
{
	char *from = cm_upstream_path(job->root, path), *to = NULL, *temporary = NULL;
	bool good = from != NULL &&
		    asprintf(&to, "%s" CM_MIGRATE_DIRECTORY "/%s.back", job->root, name) >= 0 &&
		    (temporary = with_suffix(to, TEMPORARY)) != NULL;

	good = good ? move_to(from, temporary, to, &job->err) : out_of_memory(job);
	free(from);
	free(to);
	free(temporary);
	return good;
}

bool cm_migrate_forget_ours(struct cm_migration *job)
{
	return put_aside(job, CM_STATE_DIRECTORY, "config") &&
	       (!json_is_true(json_object_get(job->state, "ini")) ||
		put_aside(job, CM_CONFIG_DEFAULT_PATH, "chatmail.ini"));
}

/* Until the record is gone, the next run repeats this. */
bool cm_migrate_end(struct cm_migration *job)
{
	return put_aside(job, CM_MIGRATE_DIRECTORY "/saved", "saved") &&
	       put_aside(job, CM_MIGRATE_DIRECTORY "/state.json", "state.json");
}
