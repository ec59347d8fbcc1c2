#include "restore_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "managed.h"
#include "relay_files.h"

/* Many more than a relay has. */
#define FILES_MAX 256

static bool out_of_memory(struct cm_error *err)
{
	cm_error_set(err, "out of memory");
	return false;
}

/* By name: group IDs differ between machines. */
static gid_t group_of(const char *name)
{
	const struct group *group = name[0] != '\0' ? getgrnam(name) : NULL;

	return group != NULL ? group->gr_gid : 0;
}

bool cm_restore_files_add(struct cm_restore_files *files, struct cm_archive_reader *reader,
			  const struct cm_archive_entry *entry, struct cm_error *err)
{
	const char *role = entry->name + strlen(CM_ARCHIVE_RELAY);
	struct cm_restore_file *file, *more;

	if (files->count == FILES_MAX || cm_restore_files_find(files, role) != NULL) {
		cm_error_set(err, "%s: twice in the archive, or too many files", entry->name);
		return false;
	}
	more = realloc(files->file, (files->count + 1) * sizeof(*more));
	if (more == NULL)
		return out_of_memory(err);
	files->file = more;
	file = &files->file[files->count++];
	/* Only root can write them, and they are never executed. */
	*file = (struct cm_restore_file){
	    .role = strdup(role),
	    .mode = entry->mode & 0644,
	    .opendkim = strcmp(entry->user, "opendkim") == 0,
	    .gid = group_of(entry->group),
	};
	if (file->role == NULL)
		return out_of_memory(err);
	file->data = cm_archive_content(reader, cm_relay_file_max(role), &file->length, err);
	return file->data != NULL;
}

const struct cm_restore_file *cm_restore_files_find(const struct cm_restore_files *files,
						    const char *role)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->file[i].role, role) == 0)
			return &files->file[i];
	return NULL;
}

bool cm_restore_files_place(struct cm_restore_files *files, const struct cm_config *config,
			    const char *root, const char *const *allowed, struct cm_error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		struct cm_restore_file *file = &files->file[i];
		char *path = cm_relay_file_path(config, file->role, allowed, err);

		if (path == NULL)
			return false;
		if (asprintf(&file->path, "%s%s", root, path) < 0)
			file->path = NULL;
		free(path);
		if (file->path == NULL)
			return out_of_memory(err);
	}
	return true;
}

static bool is_there_already(const struct cm_restore_file *file)
{
	size_t length = 0;
	char *data = NULL;
	bool same = cm_file_read(AT_FDCWD, file->path, file->length, &data, &length) &&
		    length == file->length && memcmp(data, file->data, length) == 0;

	if (data != NULL)
		explicit_bzero(data, length);
	free(data);
	return same;
}

bool cm_restore_files_check(const struct cm_restore_files *files, struct cm_error *err)
{
	struct stat st;

	for (size_t i = 0; i < files->count; i++) {
		if ((lstat(files->file[i].path, &st) < 0 && errno == ENOENT) ||
		    is_there_already(&files->file[i]))
			continue;
		cm_error_set(err,
			     "%s: exists with other content: nothing was changed; move it away and "
			     "run this again",
			     files->file[i].path);
		return false;
	}
	return true;
}

/* Directories of secrets are accessible only to their owner. */
static bool make_parent(const char *parent, const struct cm_restore_file *file)
{
	char *above = strdup(parent), *slash = above != NULL ? strrchr(above, '/') : NULL;
	bool secret = (file->mode & 0004) == 0, good = slash != NULL;

	if (good && slash != above) {
		*slash = '\0';
		good = cm_file_make_directories(above, 0755);
	}
	if (good && mkdir(parent, secret ? 0711 : 0755) < 0 && errno != EEXIST)
		good = false;
	free(above);
	return good;
}

static struct cm_owner owner_of(const struct cm_restore_file *file)
{
	const struct passwd *opendkim = file->opendkim ? getpwnam("opendkim") : NULL;

	if (geteuid() != 0)
		return (struct cm_owner){file->mode, geteuid(), getegid()};
	return (struct cm_owner){file->mode, opendkim != NULL ? opendkim->pw_uid : 0, file->gid};
}

static bool write_file(const struct cm_restore_file *file, struct cm_error *err)
{
	const struct cm_managed content = {file->data, file->length};
	const struct cm_owner owner = owner_of(file);
	const char *name = strrchr(file->path, '/') + 1;
	char *parent = strndup(file->path, (size_t)(name - file->path - 1));
	bool created, good = parent != NULL && make_parent(parent, file);

	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", file->path);
	free(parent);
	if (!good)
		return false;
	cm_managed_clean(file->path);
	if (!cm_managed_create(file->path, &content, &owner, &created, err))
		return false;
	if (created || is_there_already(file))
		return true;
	cm_error_set(err, "%s: exists", file->path);
	return false;
}

bool cm_restore_files_write(const struct cm_restore_files *files, bool ini, struct cm_error *err)
{
	for (size_t i = 0; i < files->count; i++)
		if ((strcmp(files->file[i].role, CM_RELAY_INI) == 0) == ini &&
		    !write_file(&files->file[i], err))
			return false;
	return true;
}

void cm_restore_files_print(const struct cm_restore_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		puts(files->file[i].path);
}

void cm_restore_files_free(struct cm_restore_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		struct cm_restore_file *file = &files->file[i];

		if (file->data != NULL)
			explicit_bzero(file->data, file->length);
		free(file->data);
		free(file->role);
		free(file->path);
	}
	free(files->file);
	*files = (struct cm_restore_files){0};
}
