/*
 * overfull - trim an overfull mailbox before refusing delivery
 *
 * Dovecot's quota warnings trim a mailbox when it grows past one of them, and LMTP refuses mail
 * for a mailbox at twice its quota. A mailbox beyond that never grows past a warning again. (The
 * limit may have been lowered, or the mail of a flood may have been too young to be trimmed.) All
 * its mail would bounce until the nightly expiry. So a delivery to such a mailbox trims it first.
 */
#include "lib.h"

#include "mail-user.h"

#include "account.h"
#include "directory.h"
#include "maildir_trim.h"
#include "plugin.h"
#include "relay.h"
#include "user_event.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The same as in the templates: the size up to which LMTP fills INBOX, in multiples of
   max_mailbox_size. */
#define LMTP_FACTOR 2

/* Dovecot rewrites the file when it reaches 5120 bytes. */
#define SIZE_FILE_MAX 8192

/* Adds up Maildir++'s maildirsize: the limit in the first line, then "BYTES MESSAGES" for each
   change. False if the mailbox is not counted now. */
static bool read_size(int fd, uint64_t *bytes_r)
{
	char text[SIZE_FILE_MAX + 1], *line, *end;
	int size_fd = openat(fd, "maildirsize", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t length;
	int64_t bytes = 0;

	if (size_fd < 0)
		return false;
	length = read(size_fd, text, sizeof(text));
	close(size_fd);
	if (length < 0 || length > SIZE_FILE_MAX)
		return false;
	text[length] = '\0';
	line = strchr(text, '\n');
	if (line == NULL)
		return false;
	while (line != NULL && *++line != '\0') {
		if (__builtin_add_overflow(bytes, strtoll(line, &end, 10), &bytes) || end == line)
			return false;
		line = strchr(line, '\n');
	}
	*bytes_r = bytes > 0 ? (uint64_t)bytes : 0;
	return true;
}

static void add_size(const struct cm_maildir_file *file, void *context)
{
	uint64_t *bytes = context, size;
	time_t delivered;

	if (cm_maildir_measure(file, &size, &delivered))
		*bytes += size;
}

static void trim(const struct cm_config *config, struct event *event, int fd)
{
	struct cm_maildir_trim_result result;
	struct cm_error err;
	const struct cm_maildir_trim order = {
	    .mailbox_fd = fd,
	    .target = cm_maildir_trim_target(config),
	    .now = time(NULL),
	};
	bool good = cm_maildir_trim(&order, &result, &err);

	if (result.messages > 0) {
		cm_relay_count(CM_STAT_EXPIRE_QUOTA_MESSAGES, result.messages);
		cm_relay_count(CM_STAT_EXPIRE_BYTES, result.bytes);
		e_info(event, "delivery: a mailbox over twice its quota was trimmed");
		good = cm_maildir_recount(fd, good ? &err : NULL) && good;
	}
	if (!good)
		e_error(event, "delivery: %s", err.text);
}

void cm_overfull_trim(struct mail_user *user)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;
	uint64_t bytes = 0;
	char *path;
	int fd;

	if (config == NULL || !cm_relay_address(config, user->username, &address))
		return;
	path = cm_account_path(config, &address);
	fd = path != NULL ? cm_directory_open(AT_FDCWD, path) : -1;
	free(path);
	/* If the mailbox is broken, Dovecot will report it. */
	if (fd < 0)
		return;
	if (!read_size(fd, &bytes))
		(void)cm_maildir_walk(fd, add_size, &bytes, NULL);
	if (bytes / LMTP_FACTOR >= config->max_mailbox_size)
		trim(config, cm_user_event(user), fd);
	close(fd);
}
