/*
 * invitation_admin - create, list and revoke invitations
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "credentials.h"
#include "directory.h"
#include "file.h"
#include "invitation.h"
#include "invitation_private.h"

/* More new files than this are written to the disk by one syncfs() instead of an fsync() each. */
#define FSYNC_MAX 16

/* A name with such a prefix is being created or removed, and is not an invitation. */
#define MAKING_PREFIX  ".making."
#define REVOKED_PREFIX ".revoked."

/* Opens the directory of the invitations; creates it if it is missing. */
static int make_top(const struct cm_config *config, struct stat *owner_r, struct cm_error *err)
{
	int mails = open(config->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int top = -1;
	bool made;

	if (mails < 0 || fstat(mails, owner_r) < 0) {
		cm_error_set_errno(err, "%s: cannot be opened", config->mailboxes_dir);
		goto out;
	}
	made = mkdirat(mails, CM_INVITATION_DIR, 0700) == 0;
	top = openat(mails, CM_INVITATION_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || (made && geteuid() == 0 &&
			(fchown(top, owner_r->st_uid, owner_r->st_gid) < 0 || fsync(mails) < 0))) {
		cm_error_set_errno(err, "%s/" CM_INVITATION_DIR ": cannot be created",
				   config->mailboxes_dir);
		if (top >= 0)
			close(top);
		top = -1;
	}
out:
	if (mails >= 0)
		close(mails);
	return top;
}

static bool make_file(int directory, const char *name, const char *text, const struct stat *owner,
		      bool durable)
{
	int fd =
	    openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t length = strlen(text);
	bool good = fd >= 0 && write(fd, text, length) == (ssize_t)length &&
		    (geteuid() != 0 || fchown(fd, owner->st_uid, owner->st_gid) == 0) &&
		    (!durable || fsync(fd) == 0);

	if (fd >= 0)
		close(fd);
	return good;
}

static bool make_description(int directory, unsigned int uses, time_t expires, const char *note,
			     const struct stat *owner)
{
	json_t *json = json_pack("{s:I, s:I, s:I, s:s}", "created", (json_int_t)time(NULL),
				 "expires", (json_int_t)expires, "uses", (json_int_t)uses, "note",
				 note != NULL ? note : "");
	char *text = json_dumps(json, JSON_COMPACT);
	bool good = text != NULL && make_file(directory, CM_INVITATION_FILE, text, owner, true);

	if (text == NULL)
		errno = EINVAL;
	free(text);
	json_decref(json);
	return good;
}

static bool make_content(int directory, unsigned int uses, time_t expires, const char *note,
			 const struct stat *owner)
{
	bool each = uses <= FSYNC_MAX;
	char name[32];
	/* First, so that the expiry run can delete the remains if this process is killed. */
	bool good = (geteuid() != 0 || fchown(directory, owner->st_uid, owner->st_gid) == 0) &&
		    make_description(directory, uses, expires, note, owner);

	for (unsigned int i = 1; good && i <= uses; i++) {
		snprintf(name, sizeof(name), CM_INVITATION_USE_PREFIX "%05u", i);
		good = make_file(directory, name, "", owner, each);
	}
	return good && (each ? fsync(directory) : syncfs(directory)) == 0;
}

static bool remove_directory(int top, const char *name)
{
	DIR *stream = cm_directory_stream(cm_directory_open(top, name));
	const struct dirent *entry;

	if (stream == NULL)
		return false;
	while ((entry = readdir(stream)) != NULL)
		if (!cm_directory_is_dot(entry->d_name))
			(void)unlinkat(dirfd(stream), entry->d_name, 0);
	closedir(stream);
	return unlinkat(top, name, AT_REMOVEDIR) == 0;
}

/* The directory is completed under another name, so that no reader finds half an invitation. */
static bool make_invitation(int top, const char *name, unsigned int uses, time_t expires,
			    const char *note, const struct stat *owner)
{
	char random[CM_FILE_RANDOM_SIZE], making[sizeof(MAKING_PREFIX) + CM_FILE_RANDOM_SIZE];
	int directory, saved_errno;
	bool good;

	if (!cm_file_random_name(random))
		return false;
	snprintf(making, sizeof(making), MAKING_PREFIX "%s", random);
	if (mkdirat(top, making, 0700) < 0)
		return false;
	directory = openat(top, making, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	good = directory >= 0 && make_content(directory, uses, expires, note, owner) &&
	       renameat(top, making, top, name) == 0 && fsync(top) == 0;
	saved_errno = errno;
	if (directory >= 0)
		close(directory);
	if (!good)
		(void)remove_directory(top, making);
	errno = saved_errno;
	return good;
}

bool cm_invitation_create(const struct cm_config *config, unsigned int uses, time_t expires,
			  const char *note, char id[CM_INVITATION_ID_LENGTH + 1],
			  char token[CM_INVITATION_TOKEN_LENGTH + 1], struct cm_error *err)
{
	char name[CM_INVITATION_NAME_LENGTH + 1];
	struct stat owner;
	bool good;
	int top;

	if (!cm_random_text(token, CM_INVITATION_TOKEN_LENGTH, CM_INVITATION_ALPHABET)) {
		cm_error_set_errno(err, "cannot get random numbers");
		return false;
	}
	if (!cm_invitation_name(token, name, err))
		return false;
	top = make_top(config, &owner, err);
	if (top < 0)
		return false;
	good = make_invitation(top, name, uses, expires, note, &owner);
	if (!good)
		cm_error_set_errno(err, "%s/" CM_INVITATION_DIR ": cannot be written",
				   config->mailboxes_dir);
	close(top);
	snprintf(id, CM_INVITATION_ID_LENGTH + 1, "%.*s", CM_INVITATION_ID_LENGTH, name);
	return good;
}

static bool is_invitation(const char *name)
{
	return strspn(name, "0123456789abcdef") == CM_INVITATION_NAME_LENGTH &&
	       name[CM_INVITATION_NAME_LENGTH] == '\0';
}

/* Counts the uses that are left. */
static bool count_uses(int directory, unsigned int *left_r)
{
	DIR *stream = cm_directory_stream(cm_directory_open(directory, "."));
	const struct dirent *entry;

	*left_r = 0;
	if (stream == NULL)
		return false;
	while ((entry = readdir(stream)) != NULL)
		*left_r += strncmp(entry->d_name, CM_INVITATION_USE_PREFIX,
				   strlen(CM_INVITATION_USE_PREFIX)) == 0;
	closedir(stream);
	return true;
}

/* Skips an invitation that is revoked meanwhile. *going_r is show's result. */
static bool show_one(int top, const char *name, cm_invitation_show_fn *show, void *context,
		     bool *going_r, struct cm_error *err)
{
	struct cm_invitation invitation = {.note = NULL};
	int directory = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool good;

	*going_r = true;
	if (directory < 0 && errno == ENOENT)
		return true;
	good =
	    directory >= 0 && count_uses(directory, &invitation.left) && fstat(directory, &st) == 0;
	if (!good)
		cm_error_set_errno(err, "invitations: cannot be read");
	good = good && cm_invitation_read(directory, &invitation, err);
	if (good) {
		invitation.changed = st.st_mtime;
		snprintf(invitation.id, sizeof(invitation.id), "%.*s", CM_INVITATION_ID_LENGTH,
			 name);
		*going_r = show(&invitation, context);
	}
	free(invitation.note);
	if (directory >= 0)
		close(directory);
	return good;
}

/* The invitations as a stream; NULL with err filled, or with err empty if there never was an
   invitation. */
static DIR *open_invitations(const struct cm_config *config, struct cm_error *err)
{
	DIR *stream = cm_directory_stream(cm_invitation_open_top(config));

	err->text[0] = '\0';
	if (stream == NULL && errno != ENOENT)
		cm_error_set_errno(err, "%s/" CM_INVITATION_DIR ": cannot be read",
				   config->mailboxes_dir);
	return stream;
}

bool cm_invitation_each(const struct cm_config *config, cm_invitation_show_fn *show, void *context,
			struct cm_error *err)
{
	const struct dirent *entry;
	bool good = true, going = true;
	DIR *stream = open_invitations(config, err);

	if (stream == NULL)
		return err->text[0] == '\0';
	while (good && going && (entry = readdir(stream)) != NULL)
		if (is_invitation(entry->d_name))
			good = show_one(dirfd(stream), entry->d_name, show, context, &going, err);
	closedir(stream);
	return good;
}

static bool is_remains(const char *name)
{
	return strncmp(name, MAKING_PREFIX, strlen(MAKING_PREFIX)) == 0 ||
	       strncmp(name, REVOKED_PREFIX, strlen(REVOKED_PREFIX)) == 0;
}

bool cm_invitation_clean(const struct cm_config *config, time_t before, struct cm_error *err)
{
	const struct dirent *entry;
	DIR *stream = open_invitations(config, err);
	bool good = true;
	struct stat st;

	if (stream == NULL)
		return err->text[0] == '\0';
	while ((entry = readdir(stream)) != NULL)
		if (is_remains(entry->d_name) &&
		    fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < before && !remove_directory(dirfd(stream), entry->d_name) &&
		    errno != ENOENT) {
			cm_error_set_errno(err, "%s/" CM_INVITATION_DIR ": cannot be changed",
					   config->mailboxes_dir);
			good = false;
		}
	closedir(stream);
	return good;
}

/* Finds the full name of an ID. Returns false if no invitation has this ID. */
static bool find_name(int top, const char *id, char name[CM_INVITATION_NAME_LENGTH + 1])
{
	DIR *stream = cm_directory_stream(cm_directory_open(top, "."));
	const struct dirent *entry;
	bool found = false;

	if (stream == NULL)
		return false;
	while (!found && (entry = readdir(stream)) != NULL) {
		found = is_invitation(entry->d_name) &&
			strncmp(entry->d_name, id, CM_INVITATION_ID_LENGTH) == 0;
		if (found)
			memcpy(name, entry->d_name, CM_INVITATION_NAME_LENGTH + 1);
	}
	closedir(stream);
	return found;
}

/* The rename comes first: afterwards no token finds the directory. */
static bool revoke_named(int top, const char *name)
{
	char random[CM_FILE_RANDOM_SIZE], revoked[sizeof(REVOKED_PREFIX) + CM_FILE_RANDOM_SIZE];

	if (!cm_file_random_name(random))
		return false;
	snprintf(revoked, sizeof(revoked), REVOKED_PREFIX "%s", random);
	if (renameat(top, name, top, revoked) < 0 || fsync(top) < 0)
		return false;
	return remove_directory(top, revoked);
}

enum cm_invitation_status cm_invitation_revoke(const struct cm_config *config, const char *id,
					       struct cm_error *err)
{
	char name[CM_INVITATION_NAME_LENGTH + 1];
	enum cm_invitation_status status = CM_INVITATION_ABSENT;
	int top;

	if (strlen(id) != CM_INVITATION_ID_LENGTH)
		return CM_INVITATION_ABSENT;
	top = cm_invitation_open_top(config);
	if (top < 0 && errno == ENOENT)
		return CM_INVITATION_ABSENT;
	if (top >= 0 && find_name(top, id, name))
		status = revoke_named(top, name) ? CM_INVITATION_OK : CM_INVITATION_TROUBLE;
	if (top < 0 || status == CM_INVITATION_TROUBLE) {
		cm_error_set_errno(err, "%s/" CM_INVITATION_DIR ": cannot be changed",
				   config->mailboxes_dir);
		status = CM_INVITATION_TROUBLE;
	}
	if (top >= 0)
		close(top);
	return status;
}
