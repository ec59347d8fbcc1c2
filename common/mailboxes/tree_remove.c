#include "tree_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "maildir_walk.h"

struct removal {
	bool dry_run;
	bool good;
	struct cm_tree *tree;
	struct cm_error *err;
};

static bool remove_directory(struct removal *removal, int parent_fd, const char *name,
			     unsigned int depth);

/* Names of files in a mailbox are not logged. */
static void removal_trouble(struct removal *removal, const char *what)
{
	if (removal->good)
		cm_error_set_errno(removal->err, "%s", what);
	removal->good = false;
}

static bool holds_messages(const char *directory)
{
	return strcmp(directory, "cur") == 0 || strcmp(directory, "new") == 0 ||
	       strcmp(directory, "tmp") == 0;
}

static void remove_entry(struct removal *removal, int fd, const char *name, bool messages,
			 unsigned int depth)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			removal_trouble(removal, "cannot examine a file");
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		(void)remove_directory(removal, fd, name, depth + 1);
		return;
	}
	if (!removal->dry_run && unlinkat(fd, name, 0) < 0) {
		if (errno != ENOENT)
			removal_trouble(removal, "cannot delete a file");
		return;
	}
	if (S_ISREG(st.st_mode)) {
		removal->tree->bytes += (uint64_t)st.st_size;
		removal->tree->messages += messages;
	}
}

static void remove_entries(struct removal *removal, DIR *directory, bool messages,
			   unsigned int depth)
{
	const struct dirent *entry;

	while (errno = 0, (entry = readdir(directory)) != NULL) {
		if (!cm_directory_is_dot(entry->d_name))
			remove_entry(removal, dirfd(directory), entry->d_name, messages, depth);
	}
	if (errno != 0)
		removal_trouble(removal, "cannot read a directory");
}

static bool remove_directory(struct removal *removal, int parent_fd, const char *name,
			     unsigned int depth)
{
	DIR *directory;

	if (depth > CM_MAILDIR_DEPTH_MAX) {
		errno = ENAMETOOLONG;
		removal_trouble(removal, "directories are nested too deeply");
		return false;
	}
	directory = cm_directory_stream(cm_directory_open(parent_fd, name));
	if (directory == NULL) {
		if (errno != ENOENT)
			removal_trouble(removal, "cannot open a directory");
		return removal->good;
	}
	remove_entries(removal, directory, holds_messages(name), depth);
	closedir(directory);
	if (removal->good && !removal->dry_run && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		removal_trouble(removal, "cannot delete a directory");
	return removal->good;
}

bool cm_tree_remove(int parent_fd, const char *name, bool dry_run, struct cm_tree *tree,
		    struct cm_error *err)
{
	struct removal removal = {.dry_run = dry_run, .good = true, .tree = tree, .err = err};

	return remove_directory(&removal, parent_fd, name, 0);
}
