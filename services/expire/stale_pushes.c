#include "stale_pushes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "push_queue.h"

static bool stale(const struct expire_state *state, int fd, const char *name, struct stat *st)
{
	if (fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st->st_mode))
		return false;
	if (strncmp(name, CM_PUSH_QUEUE_TMP_PREFIX, strlen(CM_PUSH_QUEUE_TMP_PREFIX)) == 0)
		return expire_rested(&state->rules, st->st_mtime);
	return st->st_mtime < state->rules.now - EXPIRE_PUSH_SECONDS;
}

static void expire_entry(struct expire_state *state, int fd, const char *name)
{
	struct cm_error err;
	struct stat st;

	if (!stale(state, fd, name, &st))
		return;
	if (!state->options->dry_run && unlinkat(fd, name, 0) < 0) {
		if (errno != ENOENT) {
			cm_error_set_errno(&err, CM_PUSH_QUEUE_DIR ": cannot delete an entry");
			expire_trouble(state, NULL, &err);
		}
		return;
	}
	expire_list_deletion(state, "queue entry", CM_PUSH_QUEUE_DIR, name, "");
	state->result->pushes_deleted++;
	state->result->bytes += (uint64_t)st.st_size;
}

void expire_stale_pushes(struct expire_state *state)
{
	DIR *directory =
	    cm_directory_stream(cm_directory_open(state->mailboxes_fd, CM_PUSH_QUEUE_DIR));
	const struct dirent *entry;
	struct cm_error err;

	if (directory == NULL) {
		if (errno != ENOENT) {
			cm_error_set_errno(&err, CM_PUSH_QUEUE_DIR ": cannot be read");
			expire_trouble(state, NULL, &err);
		}
		return;
	}
	while ((entry = readdir(directory)) != NULL)
		expire_entry(state, dirfd(directory), entry->d_name);
	closedir(directory);
}
