#include "expire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "file.h"
#include "invitations.h"
#include "mailbox.h"
#include "maildir_walk.h"
#include "progress.h"
#include "remove.h"
#include "stale_pushes.h"
#include "state.h"

/* The result of the first pass, which reads each password file and deletes nothing. */
struct survey {
	uint64_t directories;
	uint64_t accounts;
	uint64_t going;
	time_t newest_seen;
};

static bool examine(const struct expire_state *state, const char *mailbox, const char *file,
		    struct stat *st_r)
{
	char path[NAME_MAX + sizeof("/" CM_ACCOUNT_PASSWORD_FILE)];

	return snprintf(path, sizeof(path), "%s/%s", mailbox, file) < (int)sizeof(path) &&
	       fstatat(state->mailboxes_fd, path, st_r, AT_SYMLINK_NOFOLLOW) == 0;
}

static void survey_account(const struct expire_state *state, struct survey *survey,
			   const char *name)
{
	struct stat st, blocked;

	survey->directories++;
	if (!examine(state, name, CM_ACCOUNT_PASSWORD_FILE, &st))
		return;
	survey->accounts++;
	if (expire_account(&state->rules, st.st_mtime) &&
	    !examine(state, name, CM_ACCOUNT_BLOCKED_FILE, &blocked))
		survey->going++;
	if (st.st_mtime > survey->newest_seen)
		survey->newest_seen = st.st_mtime;
}

static bool survey_accounts(const struct expire_state *state, struct cm_mailboxes *mailboxes,
			    struct survey *survey, struct cm_error *err)
{
	const char *name;

	memset(survey, 0, sizeof(*survey));
	for (;;) {
		if (!cm_mailboxes_next(mailboxes, &name, err))
			return false;
		if (name == NULL)
			break;
		survey_account(state, survey, name);
	}
	cm_mailboxes_rewind(mailboxes);
	return true;
}

/* A clock that runs ahead makes everything look old. */
static bool plausible(const struct expire_state *state, const struct survey *survey,
		      struct cm_error *err)
{
	if (expire_share_exceeded(survey->going, survey->accounts, state->options->max_share)) {
		cm_error_set(err,
			     "%" PRIu64 " of %" PRIu64 " accounts would be deleted as inactive, "
			     "more than %u %%: is the clock right? If it is, use --force or "
			     "--max-share",
			     survey->going, survey->accounts, state->options->max_share);
		return false;
	}
	if (expire_silence_suspicious(&state->rules, survey->accounts, survey->newest_seen)) {
		cm_error_set(err,
			     "none of %" PRIu64 " accounts was seen within %d days: is the clock "
			     "right? If it is, use --force",
			     survey->accounts, EXPIRE_SILENCE_SECONDS / 86400);
		return false;
	}
	return true;
}

/* Remains of an earlier run come first. On a full disk the trash directory may not fit yet;
   deleting messages makes room. */
static void settle_trash(struct expire_state *state)
{
	struct cm_tree tree = {0};
	struct cm_error err;

	state->trash_fd = expire_trash_open(state->mailboxes_fd, &err);
	if (state->trash_fd < 0 ||
	    !expire_trash_settle(state->mailboxes_fd, state->trash_fd, &state->rules, &tree, &err))
		expire_trouble(state, NULL, &err);
	state->result->account_messages += tree.messages;
	state->result->bytes += tree.bytes;
}

/* The lock ends with the open directory, however the run ends. */
static bool prepare(struct expire_state *state, struct cm_error *err)
{
	if (state->options->dry_run)
		return true;
	if (!cm_file_lock(state->mailboxes_fd, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			cm_error_set(err, "another run is at work in mailboxes_dir");
		else
			cm_error_set_errno(err, "cannot lock mailboxes_dir");
		return false;
	}
	settle_trash(state);
	return true;
}

static bool expire_all(struct expire_state *state, struct cm_mailboxes *mailboxes, uint64_t total,
		       struct cm_error *err)
{
	struct cm_progress progress = {0};
	const char *name;
	uint64_t done;
	bool good;

	/* The names of deleted files would break the progress bar. */
	if (!state->options->verbose)
		cm_progress_begin(&progress, "accounts", total);
	for (done = 0;; done++) {
		good = cm_mailboxes_next(mailboxes, &name, err);
		if (!good || name == NULL)
			break;
		expire_mailbox(state, name);
		cm_progress_update(&progress, done);
	}
	cm_progress_end(&progress);
	expire_stale_pushes(state);
	expire_invitations(state);
	return good;
}

static enum expire_status run(struct expire_state *state, struct cm_mailboxes *mailboxes,
			      struct cm_error *err)
{
	struct survey survey;
	struct cm_error trouble;
	bool refused;

	if (!survey_accounts(state, mailboxes, &survey, err))
		return EXPIRE_TROUBLE;
	refused = !state->options->force && !plausible(state, &survey, err);
	if (refused && !state->options->dry_run)
		return EXPIRE_REFUSED;
	if (!prepare(state, err))
		return EXPIRE_TROUBLE;
	if (!expire_all(state, mailboxes, survey.directories, &trouble))
		expire_trouble(state, NULL, &trouble);
	if (refused)
		return EXPIRE_REFUSED;
	if (state->result->troubles == 0)
		return EXPIRE_DONE;
	cm_error_set(err, "some files could not be read or deleted");
	return EXPIRE_TROUBLE;
}

enum expire_status expire_run(const struct cm_config *config, const struct expire_options *options,
			      struct expire_result *result, struct cm_error *err)
{
	struct expire_state state = {
	    .config = config, .options = options, .trash_fd = -1, .result = result};
	struct cm_mailboxes *mailboxes;
	enum expire_status status;

	memset(result, 0, sizeof(*result));
	expire_rules_init(&state.rules, config, options->now);
	mailboxes = cm_mailboxes_open(config->mailboxes_dir, err);
	if (mailboxes == NULL)
		return EXPIRE_TROUBLE;
	state.mailboxes_fd = cm_mailboxes_fd(mailboxes);
	status = run(&state, mailboxes, err);
	if (state.trash_fd >= 0)
		close(state.trash_fd);
	cm_mailboxes_close(&mailboxes);
	return status;
}
