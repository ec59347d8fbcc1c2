#include "queue_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "file.h"

/* Upstream's suffix of files that are still being written. */
#define UPSTREAM_TMP_SUFFIX ".tmp"

#define EVENT_MASK                                                                                 \
	(IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW)

struct queue_dir {
	char *path;
	int directory;
	int watch; /* -1: not watched */
	DIR *walk;
};

static bool open_directory(struct queue_dir *dir, const char *path, struct cm_error *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		cm_error_set_errno(err, "%s: cannot be created", path);
		return false;
	}
	dir->directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir->directory < 0) {
		cm_error_set_errno(err, "%s: cannot be opened", path);
		return false;
	}
	/* An entry that cannot be removed would be sent again and again. */
	if (faccessat(dir->directory, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
		cm_error_set_errno(err, "%s: cannot be read and written", path);
		return false;
	}
	return true;
}

struct queue_dir *queue_dir_open(const char *path, struct cm_error *err)
{
	struct queue_dir *dir = calloc(1, sizeof(*dir));

	if (dir == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	dir->directory = dir->watch = -1;
	dir->path = strdup(path);
	if (dir->path == NULL)
		cm_error_set(err, "out of memory");
	if (dir->path == NULL || !open_directory(dir, path, err))
		queue_dir_close(&dir);
	return dir;
}

void queue_dir_close(struct queue_dir **dir)
{
	if (*dir == NULL)
		return;
	if ((*dir)->walk != NULL)
		closedir((*dir)->walk);
	if ((*dir)->watch >= 0)
		close((*dir)->watch);
	if ((*dir)->directory >= 0)
		close((*dir)->directory);
	free((*dir)->path);
	free(*dir);
	*dir = NULL;
}

bool queue_dir_is_current(const struct queue_dir *dir)
{
	struct stat ours, named;

	return fstat(dir->directory, &ours) == 0 && lstat(dir->path, &named) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* The errors of inotify_init1() and inotify_add_watch() at a limit are misleading. */
static void explain_watch(const struct queue_dir *dir, int error, struct cm_error *err)
{
	const char *reason = strerror(error);

	if (error == EMFILE)
		reason = "this user's fs.inotify.max_user_instances are in use";
	else if (error == ENOSPC)
		reason = "this user's fs.inotify.max_user_watches are in use";
	cm_error_set(err, "%s: cannot be watched: %s", dir->path, reason);
}

bool queue_dir_watch(struct queue_dir *dir, struct cm_error *err)
{
	const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (watch < 0 || inotify_add_watch(watch, dir->path, EVENT_MASK) < 0) {
		explain_watch(dir, errno, err);
		if (watch >= 0)
			close(watch);
		return false;
	}
	dir->watch = watch;
	return true;
}

int queue_dir_fd(const struct queue_dir *dir)
{
	return dir->watch;
}

/* True for names that are not entries, or not yet. */
static bool is_hidden(const char *name)
{
	const size_t length = strlen(name), suffix = sizeof(UPSTREAM_TMP_SUFFIX) - 1;

	return name[0] == '.' ||
	       (length > suffix && strcmp(name + length - suffix, UPSTREAM_TMP_SUFFIX) == 0);
}

unsigned int queue_dir_events(struct queue_dir *dir,
			      void (*appeared)(void *context, const char *name), void *context)
{
	union {
		struct inotify_event event;
		char bytes[32768];
	} buffer;
	const struct inotify_event *event;
	const ssize_t length = dir->watch >= 0 ? read(dir->watch, &buffer, sizeof(buffer)) : 0;
	unsigned int result = 0;

	for (ssize_t at = 0; at < length; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(buffer.bytes + at);
		if ((event->mask & IN_Q_OVERFLOW) != 0)
			result |= QUEUE_DIR_MISSED;
		else if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0)
			result |= QUEUE_DIR_GONE;
		else if (event->len > 0 && (event->mask & IN_ISDIR) == 0 && !is_hidden(event->name))
			appeared(context, event->name);
	}
	return result;
}

static DIR *open_stream(const struct queue_dir *dir)
{
	return cm_directory_stream(cm_directory_open(dir->directory, "."));
}

/* The next name that may be an entry, or NULL. */
static const char *next_name(DIR *stream)
{
	const struct dirent *entry;

	while ((entry = readdir(stream)) != NULL)
		if (!is_hidden(entry->d_name))
			return entry->d_name;
	return NULL;
}

bool queue_dir_walk_begin(struct queue_dir *dir)
{
	if (dir->walk != NULL)
		closedir(dir->walk);
	dir->walk = open_stream(dir);
	return dir->walk != NULL;
}

const char *queue_dir_walk_next(struct queue_dir *dir)
{
	const char *name = dir->walk != NULL ? next_name(dir->walk) : NULL;

	if (name == NULL && dir->walk != NULL) {
		closedir(dir->walk);
		dir->walk = NULL;
	}
	return name;
}

bool queue_dir_walking(const struct queue_dir *dir)
{
	return dir->walk != NULL;
}

uint64_t queue_dir_count(const struct queue_dir *dir)
{
	DIR *stream = open_stream(dir);
	uint64_t count = 0;

	if (stream == NULL)
		return 0;
	while (next_name(stream) != NULL)
		count++;
	closedir(stream);
	return count;
}

/* The meaning of a failed open(). A link gives ELOOP, a socket ENXIO; both can be tested only
   by name. */
static enum queue_dir_result explain_open(const struct queue_dir *dir, const char *name,
					  struct timespec *stamp_r)
{
	const int error = errno;
	struct stat status;

	if (error == ENOENT)
		return QUEUE_DIR_ABSENT;
	if (error != ELOOP && error != ENXIO && error != EACCES)
		return QUEUE_DIR_TROUBLE;
	if (fstatat(dir->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? QUEUE_DIR_ABSENT : QUEUE_DIR_TROUBLE;
	*stamp_r = status.st_mtim;
	return S_ISDIR(status.st_mode) ? QUEUE_DIR_DIRECTORY : QUEUE_DIR_INVALID;
}

enum queue_dir_result queue_dir_read(const struct queue_dir *dir, const char *name,
				     struct cm_push_entry *entry_r, struct timespec *stamp_r)
{
	char text[CM_PUSH_ENTRY_MAX + 1];
	enum queue_dir_result result = QUEUE_DIR_TROUBLE;
	struct stat status;
	ssize_t length;
	int fd;

	fd =
	    openat(dir->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return explain_open(dir, name, stamp_r);
	if (fstat(fd, &status) != 0)
		goto out;
	*stamp_r = status.st_mtim;
	result = S_ISDIR(status.st_mode) ? QUEUE_DIR_DIRECTORY : QUEUE_DIR_INVALID;
	if (!S_ISREG(status.st_mode) || status.st_size > CM_PUSH_ENTRY_MAX)
		goto out;
	length = cm_file_read_fully(fd, text, sizeof(text));
	if (length < 0)
		result = QUEUE_DIR_TROUBLE;
	else if (length <= CM_PUSH_ENTRY_MAX && cm_push_entry_parse(text, (size_t)length, entry_r))
		result = QUEUE_DIR_ENTRY;
	explicit_bzero(text, sizeof(text));
out:
	close(fd);
	return result;
}

bool queue_dir_remove(const struct queue_dir *dir, const char *name)
{
	return unlinkat(dir->directory, name, 0) == 0 || errno == ENOENT;
}

bool queue_dir_stamp(const struct queue_dir *dir, const char *name, const struct timespec *stamp)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, *stamp};

	return utimensat(dir->directory, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}
