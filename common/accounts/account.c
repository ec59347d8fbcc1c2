#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends.h"
#include "file.h"

#define DAY 86400

/* The expiry run may remove the directory between two steps of a creation; then the creation
   starts again. */
#define CREATE_ATTEMPTS 5

bool cm_account_is_local(const struct cm_config *config, const struct cm_address *address)
{
	return strcmp(cm_address_domain(address), config->mail_domain) == 0;
}

char *cm_account_path(const struct cm_config *config, const struct cm_address *address)
{
	char *path;

	if (asprintf(&path, "%s/%s", config->mailboxes_dir, address->text) < 0)
		return NULL;
	return path;
}

bool cm_account_has_password(int mailboxes, const char *name)
{
	char path[NAME_MAX + sizeof("/" CM_ACCOUNT_PASSWORD_FILE)];
	int length = snprintf(path, sizeof(path), "%s/" CM_ACCOUNT_PASSWORD_FILE, name);
	struct stat st;

	return length < (int)sizeof(path) &&
	       fstatat(mailboxes, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The text is logged, so it contains no address. */
static enum cm_account_status trouble(struct cm_error *err, const char *what)
{
	cm_error_set_errno(err, "mailbox directory: %s", what);
	return CM_ACCOUNT_TROUBLE;
}

/* Opens mailboxes_dir; -1 on failure. It exists from the installation on. If it is missing, the
 * mailboxes are not mounted, and no account counts as absent. */
static int open_mailboxes(const struct cm_config *config, struct cm_error *err)
{
	int top = open(config->mailboxes_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		cm_error_set_errno(err, "%s: cannot be opened", config->mailboxes_dir);
	return top;
}

/* systemd shows the mailboxes to the milter read-only. */
static bool is_read_only_view(int top)
{
	struct stat st;

	return errno == EROFS && fstat(top, &st) == 0 && st.st_uid == geteuid() &&
	       (st.st_mode & S_IWUSR) != 0;
}

/* The mailbox is missing below top: the account does not exist, unless top is root's empty
   mount point. */
static enum cm_account_status absence(const struct cm_config *config, int top, struct cm_error *err)
{
	if (faccessat(top, ".", W_OK | X_OK, AT_EACCESS) == 0 || is_read_only_view(top))
		return CM_ACCOUNT_ABSENT;
	cm_error_set_errno(err, "%s: cannot be written to", config->mailboxes_dir);
	return CM_ACCOUNT_TROUBLE;
}

static enum cm_account_status open_mailbox(const struct cm_config *config,
					   const struct cm_address *address, int *fd_r,
					   struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_OK;
	int top = open_mailboxes(config, err);

	if (top < 0)
		return CM_ACCOUNT_TROUBLE;
	*fd_r = openat(top, address->text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd_r < 0)
		status =
		    errno == ENOENT ? absence(config, top, err) : trouble(err, "cannot be opened");
	close(top);
	return status;
}

/* Whether a plain name exists in the mailbox directory. */
static enum cm_account_status flag_status(int mailbox, const char *name, struct cm_error *err)
{
	struct stat st;

	if (fstatat(mailbox, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return CM_ACCOUNT_OK;
	return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, name);
}

/* OK, ABSENT, BLOCKED or TROUBLE of an open mailbox directory; *st_r is that of `password`. */
static enum cm_account_status password_status(int mailbox, struct stat *st_r, struct cm_error *err)
{
	enum cm_account_status blocked = flag_status(mailbox, CM_ACCOUNT_BLOCKED_FILE, err);

	if (blocked == CM_ACCOUNT_TROUBLE)
		return blocked;
	if (blocked == CM_ACCOUNT_OK)
		return CM_ACCOUNT_BLOCKED;
	if (fstatat(mailbox, CM_ACCOUNT_PASSWORD_FILE, st_r, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	if (!S_ISREG(st_r->st_mode)) {
		errno = EINVAL;
		return trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	}
	return st_r->st_size == 0 ? CM_ACCOUNT_BLOCKED : CM_ACCOUNT_OK;
}

enum cm_account_status cm_account_lookup(const struct cm_config *config,
					 const struct cm_address *address, struct cm_error *err)
{
	char host[CM_BACKEND_HOST_SIZE];
	enum cm_account_status status;
	struct stat st;
	int mailbox;

	if (cm_backends_used(config))
		return cm_backends_find(config, address, host, err);
	status = open_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	status = password_status(mailbox, &st, err);
	close(mailbox);
	return status;
}

enum cm_account_status cm_account_recipient(const struct cm_config *config,
					    const struct cm_address *address,
					    bool *refuses_cleartext_r, struct cm_error *err)
{
	enum cm_account_status status, flag;
	struct stat st;
	int mailbox;

	/* Backends report only whether the account exists. */
	*refuses_cleartext_r = true;
	if (cm_backends_used(config))
		return cm_account_lookup(config, address, err);
	status = open_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	status = password_status(mailbox, &st, err);
	if (status == CM_ACCOUNT_OK) {
		flag = flag_status(mailbox, CM_ACCOUNT_ENFORCE_FILE, err);
		*refuses_cleartext_r = flag != CM_ACCOUNT_ABSENT;
		if (flag == CM_ACCOUNT_TROUBLE)
			status = flag;
	}
	close(mailbox);
	return status;
}

static void trim(char *text, size_t length)
{
	const char *blanks = " \t\r\n";
	size_t lead;

	while (length > 0 && strchr(blanks, text[length - 1]) != NULL)
		text[--length] = '\0';
	lead = strspn(text, blanks);
	memmove(text, text + lead, length - lead + 1);
}

static enum cm_account_status read_password(int mailbox, char **hash_r, struct cm_error *err)
{
	char *hash;
	size_t length;

	if (!cm_file_read(mailbox, CM_ACCOUNT_PASSWORD_FILE, CM_ACCOUNT_HASH_MAX, &hash, &length))
		return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	if (strlen(hash) != length) {
		explicit_bzero(hash, length);
		free(hash);
		errno = EILSEQ;
		return trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	}
	trim(hash, length);
	if (hash[0] == '\0') {
		free(hash);
		return CM_ACCOUNT_BLOCKED;
	}
	*hash_r = hash;
	return CM_ACCOUNT_OK;
}

enum cm_account_status cm_account_password(const struct cm_config *config,
					   const struct cm_address *address, char **hash_r,
					   struct cm_error *err)
{
	enum cm_account_status status;
	struct stat st;
	int mailbox;

	*hash_r = NULL;
	status = open_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	status = password_status(mailbox, &st, err);
	if (status == CM_ACCOUNT_OK)
		status = read_password(mailbox, hash_r, err);
	close(mailbox);
	return status;
}

static enum cm_account_status make_mailbox(const struct cm_config *config,
					   const struct cm_address *address, struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_OK;
	int top = open_mailboxes(config, err);

	if (top < 0)
		return CM_ACCOUNT_TROUBLE;
	if (mkdirat(top, address->text, 0700) < 0 && errno != EEXIST)
		status = trouble(err, "cannot be created");
	close(top);
	return status;
}

/* The flag comes first: the account never exists without it, not even for a moment. */
static enum cm_account_status write_flag(int mailbox, struct cm_error *err)
{
	int flag = openat(mailbox, CM_ACCOUNT_ENFORCE_FILE,
			  O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (flag < 0)
		return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_ENFORCE_FILE);
	close(flag);
	return CM_ACCOUNT_OK;
}

static enum cm_account_status write_account(int mailbox, const char *hash, struct cm_error *err)
{
	enum cm_account_status status = write_flag(mailbox, err);

	if (status != CM_ACCOUNT_OK)
		return status;
	if (cm_file_write(mailbox, CM_ACCOUNT_PASSWORD_FILE, CM_ACCOUNT_TMP_PREFIX, hash,
			  strlen(hash), 0600, CM_FILE_NO_REPLACE | CM_FILE_DURABLE))
		return CM_ACCOUNT_OK;
	if (errno == EEXIST)
		return CM_ACCOUNT_EXISTS;
	return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
}

/* Opens the mailbox directory and locks it, so that its deletion waits. CM_ACCOUNT_ABSENT: it was
   deleted meanwhile. */
static enum cm_account_status lock_mailbox(const struct cm_config *config,
					   const struct cm_address *address, int *fd_r,
					   struct cm_error *err)
{
	enum cm_account_status status = open_mailbox(config, address, fd_r, err);
	struct stat locked, named;
	int again;

	if (status != CM_ACCOUNT_OK)
		return status;
	if (!cm_file_lock(*fd_r, LOCK_SH))
		status = trouble(err, "cannot be locked");
	else
		status = open_mailbox(config, address, &again, err);
	if (status == CM_ACCOUNT_OK) {
		if (fstat(*fd_r, &locked) < 0 || fstat(again, &named) < 0)
			status = trouble(err, "cannot be examined");
		else if (locked.st_ino != named.st_ino)
			status = CM_ACCOUNT_ABSENT;
		close(again);
	}
	if (status != CM_ACCOUNT_OK)
		close(*fd_r);
	return status;
}

/* CM_ACCOUNT_ABSENT: the directory was removed meanwhile. */
static enum cm_account_status try_create(const struct cm_config *config,
					 const struct cm_address *address, const char *hash,
					 struct cm_error *err)
{
	enum cm_account_status status = make_mailbox(config, address, err);
	struct stat st;
	int mailbox;

	if (status == CM_ACCOUNT_OK)
		status = lock_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	status = password_status(mailbox, &st, err);
	if (status == CM_ACCOUNT_OK)
		status = CM_ACCOUNT_EXISTS;
	else if (status == CM_ACCOUNT_ABSENT)
		status = write_account(mailbox, hash, err);
	close(mailbox);
	return status;
}

/* The new directory's name must reach the disk, too. */
static enum cm_account_status sync_mailboxes(const struct cm_config *config, struct cm_error *err)
{
	int top = open(config->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum cm_account_status status = CM_ACCOUNT_OK;

	if (top < 0 || fsync(top) < 0)
		status = trouble(err, "cannot be synced");
	if (top >= 0)
		close(top);
	return status;
}

enum cm_account_status cm_account_create(const struct cm_config *config,
					 const struct cm_address *address, const char *hash,
					 struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_ABSENT;

	for (int attempt = 0; status == CM_ACCOUNT_ABSENT && attempt < CREATE_ATTEMPTS; attempt++)
		status = try_create(config, address, hash, err);
	if (status == CM_ACCOUNT_ABSENT) {
		cm_error_set(err, "mailbox directory: another program keeps removing it");
		return CM_ACCOUNT_TROUBLE;
	}
	return status == CM_ACCOUNT_OK ? sync_mailboxes(config, err) : status;
}

/* After a power cut both directories must agree. */
static enum cm_account_status move_password(int mailbox, int directory, const char *name,
					    struct cm_error *err)
{
	enum cm_account_status status = write_flag(mailbox, err);

	if (status != CM_ACCOUNT_OK)
		return status;
	if (renameat(directory, name, mailbox, CM_ACCOUNT_PASSWORD_FILE) < 0)
		return errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	if (fsync(mailbox) < 0 || fsync(directory) < 0)
		return trouble(err, "cannot be synced");
	return CM_ACCOUNT_OK;
}

/* rename() would replace an existing password, but the directory is new, and no other process
   knows its name yet. */
enum cm_account_status cm_account_create_from(const struct cm_config *config,
					      const struct cm_address *address, int directory,
					      const char *name, struct cm_error *err)
{
	enum cm_account_status status;
	int mailbox, top = open_mailboxes(config, err);

	if (top < 0)
		return CM_ACCOUNT_TROUBLE;
	if (mkdirat(top, address->text, 0700) < 0) {
		status = errno == EEXIST ? CM_ACCOUNT_EXISTS : trouble(err, "cannot be created");
		close(top);
		return status;
	}
	close(top);
	status = lock_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	status = move_password(mailbox, directory, name, err);
	close(mailbox);
	return status == CM_ACCOUNT_OK ? sync_mailboxes(config, err) : status;
}

enum cm_account_status cm_account_set_password(const struct cm_config *config,
					       const struct cm_address *address, const char *hash,
					       struct cm_error *err)
{
	enum cm_account_status status;
	struct stat st;
	int mailbox;

	status = open_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	/* A login in between would record its time in the old file. */
	if (!cm_file_lock(mailbox, LOCK_EX))
		status = trouble(err, "cannot be locked");
	else if (fstatat(mailbox, CM_ACCOUNT_PASSWORD_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		status =
		    errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	else if (!cm_file_write(mailbox, CM_ACCOUNT_PASSWORD_FILE, CM_ACCOUNT_TMP_PREFIX, hash,
				strlen(hash), 0600, CM_FILE_REPLACE | CM_FILE_DURABLE) ||
		 utimensat(mailbox, CM_ACCOUNT_PASSWORD_FILE,
			   (struct timespec[2]){st.st_atim, st.st_mtim}, AT_SYMLINK_NOFOLLOW) < 0)
		status = trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	close(mailbox);
	return status;
}

enum cm_account_status cm_account_seen(const struct cm_config *config,
				       const struct cm_address *address, time_t now,
				       struct cm_error *err)
{
	struct timespec times[2] = {{.tv_sec = now / DAY * DAY}};
	enum cm_account_status status;
	struct stat st;
	int mailbox;

	status = open_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	if (cm_file_lock(mailbox, LOCK_SH))
		status = password_status(mailbox, &st, err);
	else
		status = trouble(err, "cannot be locked");
	/* If the clock is behind, an account must not look unused. */
	if (status == CM_ACCOUNT_OK && st.st_mtime / DAY * DAY > times[0].tv_sec)
		times[0].tv_sec = st.st_mtime / DAY * DAY;
	times[1] = times[0];
	if (status == CM_ACCOUNT_OK && st.st_mtime != times[1].tv_sec &&
	    utimensat(mailbox, CM_ACCOUNT_PASSWORD_FILE, times, AT_SYMLINK_NOFOLLOW) < 0)
		status =
		    errno == ENOENT ? CM_ACCOUNT_ABSENT : trouble(err, CM_ACCOUNT_PASSWORD_FILE);
	close(mailbox);
	return status;
}

enum cm_account_status cm_account_set_blocked(const struct cm_config *config,
					      const struct cm_address *address, bool blocked,
					      struct cm_error *err)
{
	enum cm_account_status status;
	int mailbox, flag;

	status = lock_mailbox(config, address, &mailbox, err);
	if (status != CM_ACCOUNT_OK)
		return status;
	if (blocked) {
		flag = openat(mailbox, CM_ACCOUNT_BLOCKED_FILE,
			      O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (flag < 0)
			status = trouble(err, CM_ACCOUNT_BLOCKED_FILE);
		else
			close(flag);
	} else if (unlinkat(mailbox, CM_ACCOUNT_BLOCKED_FILE, 0) < 0 && errno != ENOENT) {
		status = trouble(err, CM_ACCOUNT_BLOCKED_FILE);
	}
	close(mailbox);
	return status;
}
