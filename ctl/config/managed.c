#include "managed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "file.h"

bool cm_managed_read(const char *path, struct cm_managed *content_r, struct cm_owner *owner_r,
		     struct cm_error *err)
{
	struct stat st;

	*content_r = (struct cm_managed){NULL, 0};
	if (owner_r != NULL && lstat(path, &st) == 0)
		*owner_r = (struct cm_owner){st.st_mode & 07777, st.st_uid, st.st_gid};
	if (cm_file_read(AT_FDCWD, path, CM_MANAGED_MAX, &content_r->data, &content_r->length))
		return true;
	if (errno == ENOENT || errno == ENOTDIR)
		return true;
	if (errno == ELOOP)
		cm_error_set(err, "%s: is a symbolic link: only regular files can be managed",
			     path);
	else
		cm_error_set_errno(err, "%s: cannot be read", path);
	return false;
}

/* The directory of path, opened; *name_r points to its last component. -1 with errno set. */
static int open_parent(const char *path, bool make, const char **name_r)
{
	const char *name = strrchr(path, '/') + 1;
	char *parent = strndup(path, (size_t)(name - path));
	int directory = -1;

	*name_r = name;
	if (parent == NULL)
		return -1;
	if (!make || cm_file_make_directories(parent, 0755))
		directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	return directory;
}

static bool fill(int fd, const struct cm_managed *content, const struct cm_owner *owner,
		 bool durable)
{
	if (!cm_file_write_fully(fd, content->data, content->length))
		return false;
	/* The owner first: changing it clears set-ID bits. Only root can give files to others. */
	if (fchown(fd, owner->uid, owner->gid) < 0 && (errno != EPERM || geteuid() == 0))
		return false;
	return fchmod(fd, owner->mode) == 0 && (!durable || fsync(fd) == 0);
}

/* Gives the temporary file its name: instead of an existing file, or EEXIST. */
static bool give_name(int directory, const char *temporary, const char *name, bool replaces)
{
	if (replaces)
		return renameat(directory, temporary, directory, name) == 0;
	return linkat(directory, temporary, directory, name, 0) == 0 &&
	       unlinkat(directory, temporary, 0) == 0;
}

static bool put(int directory, const char *name, const struct cm_managed *content,
		const struct cm_owner *owner, bool replaces, bool durable)
{
	char temporary[sizeof(CM_MANAGED_TEMPORARY) + CM_FILE_RANDOM_SIZE] = CM_MANAGED_TEMPORARY;
	int fd, saved_errno;
	bool good;

	if (!cm_file_random_name(temporary + sizeof(CM_MANAGED_TEMPORARY) - 1))
		return false;
	fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	good = fill(fd, content, owner, durable);
	saved_errno = errno;
	if (close(fd) < 0 && good) {
		saved_errno = errno;
		good = false;
	}
	if (good && !give_name(directory, temporary, name, replaces)) {
		saved_errno = errno;
		good = false;
	}
	if (!good)
		unlinkat(directory, temporary, 0);
	errno = saved_errno;
	return good && (!durable || fsync(directory) == 0);
}

bool cm_managed_write(const char *path, const struct cm_managed *content,
		      const struct cm_owner *owner, bool durable, struct cm_error *err)
{
	bool removes = content->data == NULL, good;
	const char *name;
	int directory = open_parent(path, !removes, &name);

	if (directory < 0 && removes && errno == ENOENT)
		return true;
	if (directory < 0)
		good = false;
	else if (removes)
		good = (unlinkat(directory, name, 0) == 0 || errno == ENOENT) &&
		       (!durable || fsync(directory) == 0);
	else
		good = put(directory, name, content, owner, true, durable);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be %s", path, removes ? "removed" : "written");
	if (directory >= 0)
		close(directory);
	return good;
}

bool cm_managed_create(const char *path, const struct cm_managed *content,
		       const struct cm_owner *owner, bool *created_r, struct cm_error *err)
{
	const char *name;
	int directory = open_parent(path, true, &name);
	bool good;

	*created_r = directory >= 0 && put(directory, name, content, owner, false, true);
	good = *created_r || (directory >= 0 && errno == EEXIST);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", path);
	if (directory >= 0)
		close(directory);
	return good;
}

bool cm_managed_equal(const struct cm_managed *a, const struct cm_managed *b)
{
	if (a->data == NULL || b->data == NULL)
		return a->data == b->data;
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

bool cm_managed_copy(const struct cm_managed *from, struct cm_managed *to_r, struct cm_error *err)
{
	*to_r = (struct cm_managed){NULL, 0};
	if (from->data == NULL)
		return true;
	to_r->data = malloc(from->length + 1);
	if (to_r->data == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	memcpy(to_r->data, from->data, from->length);
	to_r->data[from->length] = '\0';
	to_r->length = from->length;
	return true;
}

void cm_managed_free(struct cm_managed *content)
{
	free(content->data);
	*content = (struct cm_managed){NULL, 0};
}

void cm_managed_clean(const char *path)
{
	const char *name;
	DIR *directory = cm_directory_stream(open_parent(path, false, &name));
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		const char *random = entry->d_name + sizeof(CM_MANAGED_TEMPORARY) - 1;

		if (strncmp(entry->d_name, CM_MANAGED_TEMPORARY,
			    sizeof(CM_MANAGED_TEMPORARY) - 1) == 0 &&
		    strspn(random, "0123456789abcdef") == CM_FILE_RANDOM_SIZE - 1 &&
		    random[CM_FILE_RANDOM_SIZE - 1] == '\0')
			if (unlinkat(dirfd(directory), entry->d_name, 0) < 0)
				unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
	}
	closedir(directory);
}
