#include "maildir_trim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"

/* A full mailbox is trimmed to this part of max_mailbox_size. */
#define MAILDIR_TRIM_PERCENT 70

/* Messages delivered less than this many seconds ago are never trimmed. */
#define MAILDIR_TRIM_PROTECTED 86400

/* Messages remembered at a time; a mailbox with more is trimmed in several rounds. */
#define MAILDIR_TRIM_ROUND 65536

struct candidate {
	time_t time;
	uint64_t size;
	char *path; /* relative to the mailbox */
};

struct collection {
	const struct cm_maildir_trim *trim;
	uint64_t total; /* bytes that count */
	struct candidate *candidates;
	size_t count, size;
	/* Bounds of a round. Messages up to the age of `done` were deleted before (path NULL:
	   none); messages from `later` on are left for another round (path NULL: none). */
	struct candidate done, later;
	bool no_memory;
};

uint64_t cm_maildir_trim_target(const struct cm_config *config)
{
	return config->max_mailbox_size / 100 * MAILDIR_TRIM_PERCENT +
	       config->max_mailbox_size % 100 * MAILDIR_TRIM_PERCENT / 100;
}

bool cm_maildir_measure(const struct cm_maildir_file *file, uint64_t *size_r, time_t *time_r)
{
	struct stat st;

	if (file->part != CM_MAILDIR_CUR && file->part != CM_MAILDIR_NEW)
		return false;
	if (cm_maildir_name_parse(file->name, time_r, size_r))
		return true;
	if (!cm_maildir_file_stat(file, &st))
		return false;
	*size_r = (uint64_t)st.st_size;
	*time_r = st.st_mtime;
	return true;
}

static int oldest_first(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return strcmp(a->path, b->path);
}

/* Keeps the older half. The oldest of the others is the new limit of this round. */
static void leave_younger_half(struct collection *collection)
{
	qsort(collection->candidates, collection->count, sizeof(*collection->candidates),
	      oldest_first);
	while (collection->count > MAILDIR_TRIM_ROUND / 2) {
		free(collection->later.path);
		collection->later = collection->candidates[--collection->count];
	}
}

static bool make_room(struct collection *collection)
{
	struct candidate *larger;
	size_t size;

	if (collection->count < collection->size)
		return true;
	size = collection->size == 0 ? 256 : collection->size * 2;
	larger = realloc(collection->candidates, size * sizeof(*larger));
	if (larger == NULL)
		return false;
	collection->candidates = larger;
	collection->size = size;
	return true;
}

static char *join_path(const char *directory, const char *name)
{
	size_t length = strlen(directory), name_size = strlen(name) + 1;
	char *path = malloc(length + 1 + name_size);

	if (path == NULL)
		return NULL;
	memcpy(path, directory, length);
	path[length] = '/';
	memcpy(path + length + 1, name, name_size);
	return path;
}

/* True if this round may delete it: then the candidate's path belongs to the collection. */
static bool remember(struct collection *collection, const struct candidate *candidate)
{
	if (collection->count == MAILDIR_TRIM_ROUND)
		leave_younger_half(collection);
	if (collection->later.path != NULL && oldest_first(candidate, &collection->later) >= 0)
		return false;
	if (!make_room(collection)) {
		collection->no_memory = true;
		return false;
	}
	collection->candidates[collection->count++] = *candidate;
	return true;
}

static void collect(const struct cm_maildir_file *file, void *context)
{
	struct collection *collection = context;
	const struct cm_maildir_trim *trim = collection->trim;
	struct candidate candidate;

	if (!cm_maildir_measure(file, &candidate.size, &candidate.time) ||
	    (trim->gone != NULL && trim->gone(file, trim->context)))
		return;
	candidate.path = join_path(file->directory, file->name);
	if (candidate.path == NULL) {
		collection->no_memory = true;
		return;
	}
	if (collection->done.path != NULL && oldest_first(&candidate, &collection->done) <= 0) {
		free(candidate.path);
		return;
	}
	collection->total += candidate.size;
	if (candidate.time > trim->now - MAILDIR_TRIM_PROTECTED ||
	    !remember(collection, &candidate))
		free(candidate.path);
}

/* Deletes one message through directories that are not symbolic links; a missing message is no
   error. */
static bool delete_message(const struct cm_maildir_trim *trim, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char *directory = strndup(path, (size_t)(name - 1 - path));
	bool good = false;
	int fd = -1;

	if (directory == NULL)
		return false;
	fd = cm_directory_open_beneath(trim->mailbox_fd, directory);
	if (fd >= 0)
		good = trim->dry_run || unlinkat(fd, name, 0) == 0 || errno == ENOENT;
	else
		good = errno == ENOENT;
	if (good && trim->deleted != NULL)
		trim->deleted(directory, name, trim->context);
	if (fd >= 0)
		close(fd);
	free(directory);
	return good;
}

static bool delete_oldest(struct collection *collection, struct cm_maildir_trim_result *result,
			  struct cm_error *err)
{
	const struct cm_maildir_trim *trim = collection->trim;
	size_t i;

	qsort(collection->candidates, collection->count, sizeof(*collection->candidates),
	      oldest_first);
	for (i = 0; i < collection->count && collection->total > trim->target; i++) {
		if (!delete_message(trim, collection->candidates[i].path)) {
			cm_error_set_errno(err, "cannot delete a message");
			return false;
		}
		collection->total -= collection->candidates[i].size;
		result->messages++;
		result->bytes += collection->candidates[i].size;
	}
	return true;
}

static bool trim_round(struct collection *collection, struct cm_maildir_trim_result *result,
		       struct cm_error *err)
{
	if (!cm_maildir_walk(collection->trim->mailbox_fd, collect, collection, err))
		return false;
	if (collection->no_memory) {
		errno = ENOMEM;
		cm_error_set_errno(err, "cannot list the messages of a mailbox");
		return false;
	}
	return delete_oldest(collection, result, err);
}

/* Prepares the next round, which begins after the youngest message of this one. */
static void next_round(struct collection *collection)
{
	free(collection->done.path);
	collection->done = collection->candidates[--collection->count];
	while (collection->count > 0)
		free(collection->candidates[--collection->count].path);
	free(collection->later.path);
	collection->later.path = NULL;
	collection->total = 0;
}

bool cm_maildir_trim(const struct cm_maildir_trim *trim, struct cm_maildir_trim_result *result,
		     struct cm_error *err)
{
	struct collection collection = {.trim = trim};
	bool good;

	memset(result, 0, sizeof(*result));
	good = trim_round(&collection, result, err);
	while (good && collection.later.path != NULL && collection.total > trim->target) {
		next_round(&collection);
		good = trim_round(&collection, result, err);
	}
	while (collection.count > 0)
		free(collection.candidates[--collection.count].path);
	free(collection.candidates);
	free(collection.done.path);
	free(collection.later.path);
	return good;
}

bool cm_maildir_recount(int mailbox_fd, struct cm_error *err)
{
	if (unlinkat(mailbox_fd, "maildirsize", 0) == 0 || errno == ENOENT)
		return true;
	cm_error_set_errno(err, "maildirsize: cannot be deleted");
	return false;
}
