#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "directory.h"
#include "folders.h"
#include "remove.h"

/* One mailbox whose account stays. */
struct visit {
	struct expire_state *state;
	const char *name;
	uint64_t quota_bytes; /* bytes of the remaining messages, as quota counts */
	bool changed;         /* the quota must be recounted */
};

static void delete_file(struct visit *visit, const struct cm_maildir_file *file, const char *what,
			uint64_t size, uint64_t *counter)
{
	struct expire_state *state = visit->state;

	if (!state->options->dry_run && unlinkat(file->directory_fd, file->name, 0) < 0) {
		/* A client has just moved or deleted it. */
		if (errno != ENOENT) {
			struct cm_error err;

			cm_error_set_errno(&err, "cannot delete a file in \"%s\"", file->directory);
			expire_trouble(state, visit->name, &err);
		}
		return;
	}
	expire_list_deletion(state, what, visit->name, file->directory, file->name);
	state->result->bytes += size;
	++*counter;
}

static void visit_message(struct visit *visit, const struct cm_maildir_file *file)
{
	struct expire_result *result = visit->state->result;
	struct stat st;
	uint64_t size;
	time_t delivered;

	if (!cm_maildir_file_stat(file, &st))
		return;
	result->messages++;
	if (expire_message(&visit->state->rules, file->part, (uint64_t)st.st_size, st.st_mtime)) {
		delete_file(visit, file, "message", (uint64_t)st.st_size,
			    &result->messages_deleted);
		visit->changed = true;
	} else if (cm_maildir_measure(file, &size, &delivered))
		visit->quota_bytes += size;
}

static void visit_file(const struct cm_maildir_file *file, void *context)
{
	struct visit *visit = context;
	struct stat st;

	if (file->part != CM_MAILDIR_EXTRA)
		visit_message(visit, file);
	else if (expire_name_is_temporary(file->name) && cm_maildir_file_stat(file, &st) &&
		 expire_rested(&visit->state->rules, st.st_mtime))
		delete_file(visit, file, "temporary file", (uint64_t)st.st_size,
			    &visit->state->result->temporary_deleted);
}

static void list_trimmed(const char *directory, const char *name, void *context)
{
	const struct visit *visit = context;

	expire_list_deletion(visit->state, "message over quota", visit->name, directory, name);
}

/* In a dry run, old messages still exist. */
static bool is_gone(const struct cm_maildir_file *file, void *context)
{
	const struct visit *visit = context;
	struct stat st;

	return !cm_maildir_file_stat(file, &st) ||
	       expire_message(&visit->state->rules, file->part, (uint64_t)st.st_size, st.st_mtime);
}

static void trim(struct visit *visit, int fd)
{
	struct expire_state *state = visit->state;
	struct cm_maildir_trim_result trimmed;
	struct cm_error err;
	const struct cm_maildir_trim order = {
	    .mailbox_fd = fd,
	    .target = state->rules.quota_target,
	    .now = state->rules.now,
	    .dry_run = state->options->dry_run,
	    .gone = is_gone,
	    .deleted = list_trimmed,
	    .context = visit,
	};

	if (!cm_maildir_trim(&order, &trimmed, &err))
		expire_trouble(state, visit->name, &err);
	state->result->quota_messages += trimmed.messages;
	state->result->bytes += trimmed.bytes;
	if (trimmed.messages > 0)
		visit->changed = true;
}

static void expire_messages(struct expire_state *state, const char *name, int fd)
{
	struct visit visit = {.state = state, .name = name};
	struct cm_error err;

	if (!cm_maildir_walk(fd, visit_file, &visit, &err))
		expire_trouble(state, name, &err);
	if (visit.quota_bytes > state->rules.quota_target)
		trim(&visit, fd);
	if (visit.changed && !state->options->dry_run && !cm_maildir_recount(fd, &err))
		expire_trouble(state, name, &err);
}

static enum expire_removal really_remove(struct expire_state *state, const char *name,
					 struct cm_tree *tree, struct cm_error *err)
{
	if (state->trash_fd < 0)
		state->trash_fd = expire_trash_open(state->mailboxes_fd, err);
	if (state->trash_fd < 0)
		return EXPIRE_FAILED;
	return expire_account_remove(state->mailboxes_fd, state->trash_fd, name, &state->rules,
				     tree, err);
}

static void remove_account(struct expire_state *state, const char *name)
{
	struct expire_result *result = state->result;
	enum expire_removal removal = EXPIRE_REMOVED;
	struct cm_tree tree = {0};
	struct cm_error err;

	if (!state->options->dry_run)
		removal = really_remove(state, name, &tree, &err);
	else if (!cm_tree_remove(state->mailboxes_fd, name, true, &tree, &err))
		removal = EXPIRE_FAILED;
	result->account_messages += tree.messages;
	result->bytes += tree.bytes;
	switch (removal) {
	case EXPIRE_REMOVED:
		expire_list_deletion(state, "account", name, "", "");
		result->accounts_deleted++;
		break;
	case EXPIRE_SEEN_AGAIN:
		result->seen_again++;
		break;
	case EXPIRE_FAILED:
		expire_trouble(state, name, &err);
		break;
	}
}

/* A directory without a password, left by a delivery or an interrupted registration. The next
   account of that name would inherit it, so it is deleted as soon as it is empty. */
static void remove_unused(struct expire_state *state, const char *name)
{
	if (expire_tree_remove_empty(state->mailboxes_fd, name, &state->rules,
				     state->options->dry_run)) {
		expire_list_deletion(state, "empty directory", name, "", "");
		state->result->directories_deleted++;
	} else
		state->result->directories_kept++;
}

void expire_mailbox(struct expire_state *state, const char *name)
{
	struct cm_error err;
	time_t seen;
	int fd = cm_directory_open(state->mailboxes_fd, name);

	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			cm_error_set_errno(&err, "cannot open the directory");
			expire_trouble(state, name, &err);
		}
		return;
	}
	if (cm_maildir_last_seen(fd, &seen)) {
		state->result->accounts++;
		if (expire_account(&state->rules, seen) && !expire_account_is_blocked(fd))
			remove_account(state, name);
		else {
			expire_messages(state, name, fd);
			expire_folders(state, name, fd);
		}
	} else if (errno == ENOENT)
		remove_unused(state, name);
	else {
		cm_error_set_errno(&err, "cannot examine its password file");
		expire_trouble(state, name, &err);
	}
	close(fd);
}
