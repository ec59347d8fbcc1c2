#include "remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "directory.h"
#include "file.h"
#include "log.h"
#include "maildir_walk.h"

static bool remove_empty(int parent_fd, const char *name, const struct expire_rules *rules,
			 bool dry_run, unsigned int depth);

/* A registration that was interrupted leaves the flag; a session that ends after its account was
   deleted leaves Dovecot's files, which Dovecot can create again. */
static bool is_dispensable(const char *name, unsigned int depth)
{
	return expire_name_is_temporary(name) ||
	       (depth == 0 &&
		(strcmp(name, CM_ACCOUNT_ENFORCE_FILE) == 0 || strcmp(name, "maildirsize") == 0 ||
		 strncmp(name, "dovecot", strlen("dovecot")) == 0));
}

static bool remove_empty_entry(int fd, const char *name, const struct expire_rules *rules,
			       bool dry_run, unsigned int depth)
{
	struct stat st;

	if (!is_dispensable(name, depth))
		return remove_empty(fd, name, rules, dry_run, depth + 1);
	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       expire_rested(rules, st.st_mtime) && (dry_run || unlinkat(fd, name, 0) == 0);
}

static bool remove_empty(int parent_fd, const char *name, const struct expire_rules *rules,
			 bool dry_run, unsigned int depth)
{
	int fd = depth > CM_MAILDIR_DEPTH_MAX ? -1 : cm_directory_open(parent_fd, name);
	DIR *directory = cm_directory_stream(fd);
	const struct dirent *entry;
	struct stat st;
	bool empty;

	if (directory == NULL)
		return false;
	empty = fstat(fd, &st) == 0 && expire_rested(rules, st.st_mtime);
	while (empty && (entry = readdir(directory)) != NULL) {
		if (!cm_directory_is_dot(entry->d_name))
			empty = remove_empty_entry(fd, entry->d_name, rules, dry_run, depth);
	}
	closedir(directory);
	/* rmdir() decides: it deletes empty directories only. */
	return empty && (dry_run || unlinkat(parent_fd, name, AT_REMOVEDIR) == 0);
}

bool expire_tree_remove_empty(int parent_fd, const char *name, const struct expire_rules *rules,
			      bool dry_run)
{
	int fd;
	bool gone;

	if (dry_run)
		return remove_empty(parent_fd, name, rules, true, 0);
	/* A login that creates the account holds the lock. A tree that stays loses nothing. */
	fd = cm_directory_open(parent_fd, name);
	gone = fd >= 0 && cm_file_lock(fd, LOCK_EX | LOCK_NB) &&
	       remove_empty(parent_fd, name, rules, true, 0) &&
	       remove_empty(parent_fd, name, rules, false, 0);
	if (fd >= 0)
		close(fd);
	return gone;
}

int expire_trash_open(int mailboxes_fd, struct cm_error *err)
{
	int fd;

	if (mkdirat(mailboxes_fd, CM_ACCOUNT_TRASH_DIR, 0700) < 0 && errno != EEXIST) {
		cm_error_set_errno(err,
				   CM_ACCOUNT_TRASH_DIR " in mailboxes_dir: cannot be created");
		return -1;
	}
	fd = cm_directory_open(mailboxes_fd, CM_ACCOUNT_TRASH_DIR);
	if (fd < 0)
		cm_error_set_errno(err, CM_ACCOUNT_TRASH_DIR " in mailboxes_dir: cannot be opened");
	return fd;
}

/* True if the account was used. */
static bool seen_again(int fd, const struct expire_rules *rules)
{
	time_t seen;

	return cm_maildir_last_seen(fd, &seen) && !expire_account(rules, seen);
}

bool expire_account_is_blocked(int fd)
{
	struct stat st;

	return fstatat(fd, CM_ACCOUNT_BLOCKED_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A directory in the trash without a password is not an account. */
static bool forget_password(int fd, struct cm_tree *tree, struct cm_error *err)
{
	struct stat st;

	if (fstatat(fd, CM_ACCOUNT_PASSWORD_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    unlinkat(fd, CM_ACCOUNT_PASSWORD_FILE, 0) == 0) {
		tree->bytes += (uint64_t)st.st_size;
		return true;
	}
	cm_error_set_errno(err, "cannot delete a password");
	return errno == ENOENT;
}

/* Deletes an account in the trash, or puts it back. fd: its directory, which is locked, or -1. */
static enum expire_removal settle_locked(int mailboxes_fd, int trash_fd, const char *name, int fd,
					 const struct expire_rules *rules, struct cm_tree *tree,
					 struct cm_error *err)
{
	if (seen_again(fd, rules)) {
		/* rename() replaces only an empty directory, so an account that was just
		   registered under the same name stays, and the old one is deleted. */
		if (renameat(trash_fd, name, mailboxes_fd, name) == 0)
			return EXPIRE_SEEN_AGAIN;
		if (errno != ENOTEMPTY && errno != EEXIST) {
			cm_error_set_errno(err, "cannot put back an account");
			return EXPIRE_FAILED;
		}
	}
	return cm_tree_remove(trash_fd, name, false, tree, err) ? EXPIRE_REMOVED : EXPIRE_FAILED;
}

/* An account whose lock is held is just being deleted. */
static enum expire_removal settle(int mailboxes_fd, int trash_fd, const char *name,
				  const struct expire_rules *rules, struct cm_tree *tree,
				  struct cm_error *err)
{
	int fd = cm_directory_open(trash_fd, name);
	enum expire_removal removal = EXPIRE_REMOVED;

	if (fd < 0 || cm_file_lock(fd, LOCK_EX | LOCK_NB))
		removal = settle_locked(mailboxes_fd, trash_fd, name, fd, rules, tree, err);
	if (fd >= 0)
		close(fd);
	return removal;
}

enum expire_removal expire_account_remove(int mailboxes_fd, int trash_fd, const char *name,
					  const struct expire_rules *rules, struct cm_tree *tree,
					  struct cm_error *err)
{
	int fd = cm_directory_open(mailboxes_fd, name);
	enum expire_removal removal = EXPIRE_FAILED;

	if (fd < 0) {
		cm_error_set_errno(err, "cannot open an account");
		return EXPIRE_FAILED;
	}
	/* The holder of the lock is about to record a login or to block the account. */
	if (!cm_file_lock(fd, LOCK_EX | LOCK_NB) || seen_again(fd, rules) ||
	    expire_account_is_blocked(fd))
		removal = EXPIRE_SEEN_AGAIN;
	else if (renameat(mailboxes_fd, name, trash_fd, name) < 0)
		cm_error_set_errno(err, "cannot move an account to " CM_ACCOUNT_TRASH_DIR);
	else if (forget_password(fd, tree, err))
		removal = EXPIRE_REMOVED;
	close(fd);
	if (removal != EXPIRE_REMOVED)
		return removal;
	return cm_tree_remove(trash_fd, name, false, tree, err) ? EXPIRE_REMOVED : EXPIRE_FAILED;
}

/* Logs the account's name if addresses may be logged. */
static void name_remains(const char *name, struct cm_error *err)
{
	const struct cm_error trouble = *err;

	cm_error_set(err, CM_ACCOUNT_TRASH_DIR "/%s: %s", cm_log_address(name), trouble.text);
}

bool expire_trash_settle(int mailboxes_fd, int trash_fd, const struct expire_rules *rules,
			 struct cm_tree *tree, struct cm_error *err)
{
	DIR *directory = cm_directory_stream(cm_directory_open(trash_fd, "."));
	const struct dirent *entry;
	bool good = true;

	if (directory == NULL) {
		cm_error_set_errno(err, CM_ACCOUNT_TRASH_DIR " in mailboxes_dir: cannot be read");
		return false;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (cm_directory_is_dot(entry->d_name) ||
		    settle(mailboxes_fd, trash_fd, entry->d_name, rules, tree, err) !=
			EXPIRE_FAILED)
			continue;
		name_remains(entry->d_name, err);
		good = false;
	}
	closedir(directory);
	return good;
}
