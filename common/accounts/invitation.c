/*
 * invitation - look up and use invitations
 */
#include "invitation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "directory.h"
#include "file.h"
#include "invitation_private.h"

#define DESCRIPTION_MAX 4096 /* bytes of invitation.json */

bool cm_invitation_token_valid(const char *token)
{
	return strlen(token) == CM_INVITATION_TOKEN_LENGTH &&
	       strspn(token, CM_INVITATION_ALPHABET) == CM_INVITATION_TOKEN_LENGTH;
}

bool cm_invitation_name(const char *token, char name[CM_INVITATION_NAME_LENGTH + 1],
			struct cm_error *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	if (EVP_Digest(token, strlen(token), digest, &length, EVP_sha256(), NULL) != 1 ||
	    length * 2 != CM_INVITATION_NAME_LENGTH) {
		cm_error_set(err, "invitations: SHA-256 failed");
		return false;
	}
	for (unsigned int i = 0; i < length; i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	return true;
}

int cm_invitation_open_top(const struct cm_config *config)
{
	int mails = open(config->mailboxes_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int top;

	if (mails < 0) {
		/* Without mailboxes_dir the state of invitations is unknown. */
		if (errno == ENOENT)
			errno = ENODEV;
		return -1;
	}
	top = openat(mails, CM_INVITATION_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cm_file_close(mails);
	return top;
}

bool cm_invitation_parse(const char *text, size_t length, struct cm_invitation *invitation_r,
			 struct cm_error *err)
{
	json_int_t created = 0, expires = 0, uses = 0;
	json_t *json = json_loadb(text, length, 0, NULL);
	const char *note = "";
	bool good = false;

	if (json_unpack(json, "{s:I, s:I, s:I, s:s}", "created", &created, "expires", &expires,
			"uses", &uses, "note", &note) < 0 ||
	    uses < 1 || uses > CM_INVITATION_USES_MAX || expires < 0) {
		cm_error_set(err, CM_INVITATION_FILE ": not the description of an invitation");
		goto out;
	}
	invitation_r->created = (time_t)created;
	invitation_r->expires = (time_t)expires;
	invitation_r->uses = (unsigned int)uses;
	invitation_r->note = strdup(note);
	good = invitation_r->note != NULL;
	if (!good)
		cm_error_set(err, "out of memory");
out:
	json_decref(json);
	return good;
}

bool cm_invitation_read(int directory, struct cm_invitation *invitation_r, struct cm_error *err)
{
	size_t length;
	char *text;
	bool good;

	if (!cm_file_read(directory, CM_INVITATION_FILE, DESCRIPTION_MAX, &text, &length)) {
		cm_error_set_errno(err, CM_INVITATION_FILE);
		return false;
	}
	good = cm_invitation_parse(text, length, invitation_r, err);
	free(text);
	return good;
}

/* Opens the invitation of a token that has not expired. */
static enum cm_invitation_status open_invitation(const struct cm_config *config, const char *token,
						 time_t now, int *directory_r, struct cm_error *err)
{
	struct cm_invitation invitation = {.note = NULL};
	char name[CM_INVITATION_NAME_LENGTH + 1];
	bool good, absent, expired;
	int top;

	if (!cm_invitation_token_valid(token))
		return CM_INVITATION_ABSENT;
	if (!cm_invitation_name(token, name, err))
		return CM_INVITATION_TROUBLE;
	top = cm_invitation_open_top(config);
	*directory_r = -1;
	if (top >= 0)
		*directory_r = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	absent = *directory_r < 0 && errno == ENOENT;
	cm_file_close(top);
	if (absent)
		return CM_INVITATION_ABSENT;
	if (*directory_r < 0) {
		cm_error_set_errno(err, "invitations: cannot be opened");
		return CM_INVITATION_TROUBLE;
	}
	good = cm_invitation_read(*directory_r, &invitation, err);
	free(invitation.note);
	expired = good && invitation.expires != 0 && invitation.expires <= now;
	if (good && !expired)
		return CM_INVITATION_OK;
	close(*directory_r);
	return good ? CM_INVITATION_ABSENT : CM_INVITATION_TROUBLE;
}

/* Returns the name of the next use; NULL at the end. */
static const char *next_use(DIR *stream)
{
	const struct dirent *entry;

	while ((entry = readdir(stream)) != NULL)
		if (strncmp(entry->d_name, CM_INVITATION_USE_PREFIX,
			    strlen(CM_INVITATION_USE_PREFIX)) == 0)
			return entry->d_name;
	return NULL;
}

enum cm_invitation_status cm_invitation_check(const struct cm_config *config, const char *token,
					      time_t now, struct cm_error *err)
{
	enum cm_invitation_status status;
	int directory;
	DIR *stream;

	status = open_invitation(config, token, now, &directory, err);
	if (status != CM_INVITATION_OK)
		return status;
	stream = cm_directory_stream(cm_directory_open(directory, "."));
	close(directory);
	if (stream == NULL) {
		cm_error_set_errno(err, "invitations: cannot be read");
		return CM_INVITATION_TROUBLE;
	}
	status = next_use(stream) != NULL ? CM_INVITATION_OK : CM_INVITATION_ABSENT;
	closedir(stream);
	return status;
}

enum claim {
	CLAIMED,
	CLAIM_BUSY, /* another process has locked it */
	CLAIM_GONE, /* another process has used it */
	CLAIM_TROUBLE,
};

/* Which uses, and how long. */
enum claim_kind {
	CLAIM_FRESH, /* those that nobody has tried: what an interrupted attempt left may be in
			trouble */
	CLAIM_ANY,
	CLAIM_WAIT, /* any, and until the process that holds its lock has used it or died */
};

/* Locks one use. */
static enum claim claim(int directory, const char *name, enum claim_kind kind, int *fd_r)
{
	struct stat opened, named;
	int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? CLAIM_GONE : CLAIM_TROUBLE;
	if (!cm_file_lock(fd, kind == CLAIM_WAIT ? LOCK_EX : LOCK_EX | LOCK_NB)) {
		bool busy = errno == EWOULDBLOCK;

		close(fd);
		return busy ? CLAIM_BUSY : CLAIM_TROUBLE;
	}
	if (fstat(fd, &opened) < 0 || fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    opened.st_ino != named.st_ino || (kind == CLAIM_FRESH && opened.st_size > 0)) {
		close(fd);
		return CLAIM_GONE;
	}
	*fd_r = fd;
	return CLAIMED;
}

/* Locks the first use of this kind: CLAIM_GONE if no use is left. The name is malloc'd. */
static enum claim claim_first(int directory, enum claim_kind kind, char **name_r, int *fd_r)
{
	enum claim result = CLAIM_GONE, this;
	DIR *stream = cm_directory_stream(cm_directory_open(directory, "."));
	const char *name;

	if (stream == NULL)
		return CLAIM_TROUBLE;
	while ((name = next_use(stream)) != NULL) {
		this = claim(directory, name, kind, fd_r);
		if (this == CLAIM_BUSY)
			result = CLAIM_BUSY;
		if (this == CLAIMED || this == CLAIM_TROUBLE) {
			result = this;
			break;
		}
	}
	if (result == CLAIMED && (*name_r = strdup(name)) == NULL) {
		close(*fd_r);
		result = CLAIM_TROUBLE;
	}
	closedir(stream);
	return result;
}

static enum claim claim_any(int directory, char **name_r, int *fd_r)
{
	enum claim result = CLAIM_GONE;

	for (enum claim_kind kind = CLAIM_FRESH; kind <= CLAIM_WAIT; kind++) {
		result = claim_first(directory, kind, name_r, fd_r);
		if (result == CLAIMED || result == CLAIM_TROUBLE ||
		    (result == CLAIM_GONE && kind != CLAIM_FRESH))
			break;
	}
	return result;
}

/* Overwrites the remains of an interrupted use. */
static bool fill(int fd, const char *text)
{
	size_t length = strlen(text);

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, length, 0) == (ssize_t)length &&
	       fsync(fd) == 0;
}

/* One use, which we have locked. */
struct use {
	int directory, fd;
	char *name;
};

/* CM_ACCOUNT_OK: the account is created and the use is used up. */
typedef enum cm_account_status make_fn(const struct use *use, void *context, struct cm_error *err);

static enum cm_invitation_status spend(int directory, make_fn *make, void *context,
				       struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_TROUBLE;
	struct use use = {.directory = directory, .fd = -1};
	enum claim claimed = claim_any(directory, &use.name, &use.fd);

	if (claimed == CLAIM_GONE)
		return CM_INVITATION_ABSENT;
	if (claimed != CLAIMED)
		cm_error_set_errno(err, "invitations: cannot be used");
	else
		status = make(&use, context, err);
	if (use.fd >= 0)
		close(use.fd);
	free(use.name);
	if (status == CM_ACCOUNT_OK)
		return CM_INVITATION_OK;
	/* ABSENT: the expiry run removed the new directory. */
	return status == CM_ACCOUNT_EXISTS || status == CM_ACCOUNT_ABSENT ? CM_INVITATION_EXISTS
									  : CM_INVITATION_TROUBLE;
}

static enum cm_invitation_status use(const struct cm_config *config, const char *token, time_t now,
				     make_fn *make, void *context, struct cm_error *err)
{
	enum cm_invitation_status status;
	int directory;

	status = open_invitation(config, token, now, &directory, err);
	if (status != CM_INVITATION_OK)
		return status;
	status = spend(directory, make, context, err);
	close(directory);
	return status;
}

struct here {
	const struct cm_config *config;
	const struct cm_address *address;
	const char *hash;
};

static enum cm_account_status make_here(const struct use *use, void *context, struct cm_error *err)
{
	const struct here *here = context;

	if (!fill(use->fd, here->hash)) {
		cm_error_set_errno(err, "invitations: cannot be used");
		return CM_ACCOUNT_TROUBLE;
	}
	return cm_account_create_from(here->config, here->address, use->directory, use->name, err);
}

enum cm_invitation_status cm_invitation_use(const struct cm_config *config, const char *token,
					    time_t now, const struct cm_address *address,
					    const char *hash, struct cm_error *err)
{
	struct here here = {config, address, hash};

	return use(config, token, now, make_here, &here, err);
}

struct elsewhere {
	struct cm_address *address;
	cm_invitation_make_fn *make;
	void *context;
	bool resumed; /* an earlier attempt had reserved the use, and was interrupted */
};

/* A line with the address for which a use is reserved. */
static bool read_reserved(int fd, struct cm_address *address_r)
{
	char text[CM_ADDRESS_MAX + 2];
	ssize_t length = pread(fd, text, sizeof(text), 0);

	return length > 0 && text[length - 1] == '\n' &&
	       cm_address_parse(text, (size_t)length - 1, address_r);
}

static bool reserve(int fd, const struct cm_address *address)
{
	char text[CM_ADDRESS_MAX + 2];

	snprintf(text, sizeof(text), "%s\n", address->text);
	return fill(fd, text);
}

/* Uses the address of an interrupted attempt again: whichever of the two makes the account, it is
   only one. */
static enum cm_account_status make_elsewhere(const struct use *use, void *context,
					     struct cm_error *err)
{
	struct elsewhere *elsewhere = context;
	enum cm_account_status status;
	bool good = true;

	elsewhere->resumed = read_reserved(use->fd, elsewhere->address);
	if (!elsewhere->resumed && !reserve(use->fd, elsewhere->address)) {
		cm_error_set_errno(err, "invitations: cannot be used");
		return CM_ACCOUNT_TROUBLE;
	}
	status = elsewhere->make(elsewhere->context, err);
	if (status == CM_ACCOUNT_OK || (status == CM_ACCOUNT_EXISTS && elsewhere->resumed))
		good = unlinkat(use->directory, use->name, 0) == 0;
	else if (status == CM_ACCOUNT_EXISTS)
		good = ftruncate(use->fd, 0) == 0;
	if (good)
		return status;
	cm_error_set_errno(err, "invitations: cannot be used up");
	return CM_ACCOUNT_TROUBLE;
}

enum cm_invitation_status cm_invitation_use_elsewhere(const struct cm_config *config,
						      const char *token, time_t now,
						      struct cm_address *address,
						      cm_invitation_make_fn *make, void *context,
						      struct cm_error *err)
{
	struct elsewhere elsewhere = {address, make, context, false};
	const struct cm_address wanted = *address;
	enum cm_invitation_status status = CM_INVITATION_TROUBLE;

	do {
		elsewhere.resumed = false;
		*address = wanted;
		status = use(config, token, now, make_elsewhere, &elsewhere, err);
	} while (status == CM_INVITATION_EXISTS && elsewhere.resumed);
	return status;
}
