#include "mailbox_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "account.h"
#include "directory.h"
#include "file.h"
#include "mailbox_names.h"
#include "maildir_walk.h"
#include "tree_remove.h"

struct cm_mailbox_unpack {
	int mailboxes_fd;
	char *name;
	int fd;
	char *last_path; /* of the directory that is open as last_fd */
	int last_fd;
};

static bool remove_old(int mailboxes_fd, const char *name, struct cm_error *err)
{
	struct cm_tree tree = {0};

	return cm_tree_remove(mailboxes_fd, name, false, &tree, err);
}

/* The lock is held until the end: a directory without a lock was left by a killed run. */
static bool make_directory(struct cm_mailbox_unpack *unpack, struct cm_error *err)
{
	int old = cm_directory_open(unpack->mailboxes_fd, unpack->name);
	bool good = true;

	if (old >= 0 && !cm_file_lock(old, LOCK_EX | LOCK_NB)) {
		cm_error_set(err, "%s in mailboxes_dir: another run is active", unpack->name);
		good = false;
	} else if (old >= 0) {
		good = remove_old(unpack->mailboxes_fd, unpack->name, err);
	}
	if (old >= 0)
		close(old);
	if (!good)
		return false;
	if (mkdirat(unpack->mailboxes_fd, unpack->name, 0700) == 0)
		unpack->fd = cm_directory_open(unpack->mailboxes_fd, unpack->name);
	if (unpack->fd >= 0 && cm_file_lock(unpack->fd, LOCK_EX | LOCK_NB))
		return true;
	cm_error_set_errno(err, "%s in mailboxes_dir: cannot be created", unpack->name);
	return false;
}

struct cm_mailbox_unpack *cm_mailbox_unpack_begin(int mailboxes_fd, const char *name,
						  struct cm_error *err)
{
	struct cm_mailbox_unpack *unpack = calloc(1, sizeof(*unpack));

	if (unpack == NULL || (unpack->name = strdup(name)) == NULL) {
		free(unpack);
		cm_error_set(err, "out of memory");
		return NULL;
	}
	unpack->mailboxes_fd = mailboxes_fd;
	unpack->last_fd = -1;
	unpack->fd = -1;
	if (!make_directory(unpack, err))
		cm_mailbox_unpack_end(&unpack);
	return unpack;
}

static void forget_last(struct cm_mailbox_unpack *unpack)
{
	if (unpack->last_fd >= 0)
		close(unpack->last_fd);
	free(unpack->last_path);
	unpack->last_fd = -1;
	unpack->last_path = NULL;
}

/* mkdir -p below the directory; -1 with errno. */
static int make_path(struct cm_mailbox_unpack *unpack, const char *path)
{
	char *copy = strdup(path), *rest = copy, *part;
	int fd = fcntl(unpack->fd, F_DUPFD_CLOEXEC, 0);
	unsigned int depth = 0;

	while (copy != NULL && fd >= 0 && (part = strsep(&rest, "/")) != NULL) {
		int next = -1;

		if (part[0] == '\0')
			continue;
		if (++depth > CM_MAILDIR_DEPTH_MAX)
			errno = ENAMETOOLONG;
		else if (mkdirat(fd, part, 0700) == 0 || errno == EEXIST)
			next = cm_directory_open(fd, part);
		close(fd);
		fd = next;
	}
	free(copy);
	return fd;
}

/* The open directory that contains path: usually that of the previous entry. */
static int directory_of(struct cm_mailbox_unpack *unpack, const char *path, size_t length)
{
	if (unpack->last_path != NULL && strlen(unpack->last_path) == length &&
	    memcmp(unpack->last_path, path, length) == 0)
		return unpack->last_fd;
	forget_last(unpack);
	unpack->last_path = strndup(path, length);
	if (unpack->last_path != NULL)
		unpack->last_fd = make_path(unpack, unpack->last_path);
	if (unpack->last_fd < 0)
		forget_last(unpack);
	return unpack->last_fd;
}

static bool has_room(int fd, uint64_t size)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) < 0 || size / fs.f_frsize < fs.f_bavail;
}

static bool write_file(int directory, const char *name, struct cm_archive_reader *reader,
		       const struct cm_archive_entry *entry, struct cm_error *err)
{
	const struct timespec times[2] = {entry->mtime, entry->mtime};
	bool good;
	int fd = -1;

	if (!has_room(directory, entry->size)) {
		errno = ENOSPC;
		cm_error_set_errno(err, "%s: cannot be written", entry->name);
		return false;
	}
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		cm_error_set_errno(err, "%s: cannot be written", entry->name);
		return false;
	}
	good = cm_archive_copy(reader, fd, err);
	if (good && futimens(fd, times) < 0) {
		cm_error_set_errno(err, "%s: cannot be written", entry->name);
		good = false;
	}
	close(fd);
	return good;
}

bool cm_mailbox_unpack_entry(struct cm_mailbox_unpack *unpack, struct cm_archive_reader *reader,
			     const struct cm_archive_entry *entry, const char *path,
			     struct cm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	size_t length = entry->directory ? strlen(path)
			: slash != NULL  ? (size_t)(slash - path)
					 : 0;
	int directory;

	if (!entry->directory && cm_mailbox_name_is_passing(name))
		return true;
	if (strcmp(name, CM_ACCOUNT_PASSWORD_FILE) == 0 && entry->size > CM_ACCOUNT_HASH_MAX) {
		cm_error_set(err, "%s: the password is too long", entry->name);
		return false;
	}
	directory = directory_of(unpack, path, length);
	if (directory < 0) {
		cm_error_set_errno(err, "%s: cannot be written", entry->name);
		return false;
	}
	return entry->directory || write_file(directory, name, reader, entry, err);
}

bool cm_mailbox_unpack_sync(struct cm_mailbox_unpack *unpack, struct cm_error *err)
{
	if (syncfs(unpack->fd) == 0)
		return true;
	cm_error_set_errno(err, "mailboxes_dir: cannot be written");
	return false;
}

bool cm_mailbox_unpack_place(struct cm_mailbox_unpack *unpack, const char *name)
{
	return renameat(unpack->fd, name, unpack->mailboxes_fd, name) == 0;
}

int cm_mailbox_unpack_fd(const struct cm_mailbox_unpack *unpack)
{
	return unpack->fd;
}

void cm_mailbox_unpack_end(struct cm_mailbox_unpack **unpack_p)
{
	struct cm_mailbox_unpack *unpack = *unpack_p;
	struct cm_error ignored;

	*unpack_p = NULL;
	if (unpack == NULL)
		return;
	forget_last(unpack);
	if (unpack->fd >= 0) {
		(void)remove_old(unpack->mailboxes_fd, unpack->name, &ignored);
		close(unpack->fd);
	}
	free(unpack->name);
	free(unpack);
}
