#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "file.h"
#include "managed.h"

#define WORK_PREFIX "work."

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void cm_state_remove_tree(const char *path)
{
	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static char *join(struct cm_error *err, const char *a, const char *b, const char *c)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", a, b, c) >= 0)
		return joined;
	cm_error_set(err, "out of memory");
	return NULL;
}

char *cm_state_path(const struct cm_state *state, const char *area, const char *path,
		    struct cm_error *err)
{
	char *start = join(err, state->directory, "/", area);
	char *joined = start != NULL ? join(err, start, path != NULL ? path : "", "") : NULL;

	free(start);
	return joined;
}

char *cm_state_target(const struct cm_state *state, const char *path, struct cm_error *err)
{
	return join(err, state->root, path, "");
}

/* Removes the remains of a killed run; this run holds the lock. */
static void remove_leftovers(const struct cm_state *state)
{
	DIR *directory = opendir(state->directory);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		char *path;

		if (strcmp(entry->d_name, "next") != 0 &&
		    strncmp(entry->d_name, WORK_PREFIX, strlen(WORK_PREFIX)) != 0)
			continue;
		path = join(NULL, state->directory, "/", entry->d_name);
		if (path != NULL)
			cm_state_remove_tree(path);
		free(path);
	}
	if (directory != NULL)
		closedir(directory);
}

static bool lock(struct cm_state *state, struct cm_error *err)
{
	char *path = cm_state_path(state, "lock", NULL, err);
	char *base = cm_state_path(state, "base", NULL, err);
	bool good = false;

	if (path == NULL || base == NULL)
		goto out;
	/* The templates may contain a secret. */
	if (!cm_file_make_directories(state->directory, 0755) ||
	    chmod(state->directory, 0700) < 0 || (mkdir(base, 0700) < 0 && errno != EEXIST)) {
		cm_error_set_errno(err, "%s: cannot be created", base);
		goto out;
	}
	state->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	good = state->lock >= 0 && cm_file_lock(state->lock, LOCK_EX | LOCK_NB);
	if (state->lock >= 0 && !good && errno == EWOULDBLOCK) {
		fputs("chatmailctl config: waiting for the end of another run\n", stderr);
		good = cm_file_lock(state->lock, LOCK_EX);
	}
	if (good)
		remove_leftovers(state);
	else
		cm_error_set_errno(err, "%s: cannot be locked", path);
out:
	free(path);
	free(base);
	return good;
}

bool cm_state_open(struct cm_state *state, const char *root, bool change, struct cm_error *err)
{
	const char *temporary = getenv("TMPDIR");

	*state = (struct cm_state){.lock = -1};
	state->root = join(err, root, "", "");
	state->directory = join(err, root, CM_STATE_DIRECTORY, "");
	if (state->root == NULL || state->directory == NULL || (change && !lock(state, err)))
		return false;
	if (temporary == NULL || temporary[0] != '/')
		temporary = "/tmp";
	state->workdir =
	    join(err, change ? state->directory : temporary, "/" WORK_PREFIX, "XXXXXX");
	if (state->workdir == NULL)
		return false;
	if (mkdtemp(state->workdir) != NULL)
		return true;
	cm_error_set_errno(err, "%s: cannot be created", state->workdir);
	free(state->workdir);
	state->workdir = NULL;
	return false;
}

void cm_state_close(struct cm_state *state)
{
	if (state->workdir != NULL)
		cm_state_remove_tree(state->workdir);
	free(state->workdir);
	free(state->directory);
	free(state->root);
	if (state->lock >= 0)
		close(state->lock);
	*state = (struct cm_state){.lock = -1};
}

/* Walks base/, whose part after the first skip bytes is the managed path. */
static bool walk(const char *directory, size_t skip, cm_state_visit_fn *visit, void *context,
		 struct cm_error *err)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	bool good = true;

	if (stream == NULL && errno != ENOENT) {
		cm_error_set_errno(err, "%s: cannot be read", directory);
		return false;
	}
	while (good && stream != NULL && (entry = readdir(stream)) != NULL) {
		struct stat st;
		char *path;

		if (cm_directory_is_dot(entry->d_name) ||
		    strncmp(entry->d_name, CM_MANAGED_TEMPORARY, strlen(CM_MANAGED_TEMPORARY)) == 0)
			continue;
		path = join(err, directory, "/", entry->d_name);
		good = path != NULL;
		if (good && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			good = walk(path, skip, visit, context, err);
		else if (good)
			good = visit(path + skip, context);
		free(path);
	}
	if (stream != NULL)
		closedir(stream);
	return good;
}

bool cm_state_each_base(const struct cm_state *state, cm_state_visit_fn *visit, void *context,
			struct cm_error *err)
{
	char *base = cm_state_path(state, "base", NULL, err);
	bool good = base != NULL && walk(base, strlen(base), visit, context, err);

	free(base);
	return good;
}

unsigned int cm_state_newest(const struct cm_state *state)
{
	char *path = cm_state_path(state, "history", NULL, NULL);
	DIR *directory = path != NULL ? opendir(path) : NULL;
	unsigned int newest = 0;
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		unsigned long number = strtoul(entry->d_name, NULL, 10);

		if (number > newest && number < 1000000)
			newest = (unsigned int)number;
	}
	if (directory != NULL)
		closedir(directory);
	free(path);
	return newest;
}
