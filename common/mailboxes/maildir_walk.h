/*
 * maildir_walk - walk all mailboxes, or all files of one, without following symbolic links
 *
 * Shared by expiry and report. Directories are opened component by component with openat() and
 * O_NOFOLLOW, so nothing below mailboxes_dir can lead out of it. Memory is bounded: a fixed batch
 * of mailbox names, and one open directory per level of a mailbox. Each directory is read once.
 *
 * Entries may be deleted during a walk; files that come or go meanwhile may or may not be shown.
 */
#ifndef CM_MAILDIR_WALK_H
#define CM_MAILDIR_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "error.h"

/* Deeper directories below a mailbox are an error. Maildir++ needs two levels. */
#define CM_MAILDIR_DEPTH_MAX 16

/* The mailboxes: entries of mailboxes_dir with an '@' in their name that are directories or may be.
 * Names come in batches ordered by inode number, the order that a cold disk reads fastest. */
struct cm_mailboxes;

/* NULL with err filled. mailboxes_dir itself may be reached through symbolic links. */
struct cm_mailboxes *cm_mailboxes_open(const char *mailboxes_dir, struct cm_error *err);
/* Closes and sets to NULL. */
void cm_mailboxes_close(struct cm_mailboxes **mailboxes);
/* The directory, for openat(). Owned by mailboxes. */
int cm_mailboxes_fd(const struct cm_mailboxes *mailboxes);
/* The next name, valid until the next call; NULL at the end. False with err filled if the
   directory cannot be read. */
bool cm_mailboxes_next(struct cm_mailboxes *mailboxes, const char **name_r, struct cm_error *err);
/* Starts again from the beginning. */
void cm_mailboxes_rewind(struct cm_mailboxes *mailboxes);

enum cm_maildir_part {
	CM_MAILDIR_CUR,
	CM_MAILDIR_NEW,
	CM_MAILDIR_TMP,
	CM_MAILDIR_EXTRA, /* every other directory: the account's files, Dovecot's indexes */
};

/* One regular file of a mailbox, or an entry that may be one: cm_maildir_file_stat() decides. Valid
   during the callback. */
struct cm_maildir_file {
	int directory_fd;
	const char *directory; /* relative to the mailbox: "", "cur", ".Folder/new" */
	const char *name;
	enum cm_maildir_part part;
};

typedef void cm_maildir_file_fn(const struct cm_maildir_file *file, void *context);

/* Shows every file in the mailbox and its folders. Does not enter directories inside cur, new
   and tmp. False with err filled (the first error) if a part could not be read; the rest was
   shown nevertheless. */
bool cm_maildir_walk(int mailbox_fd, cm_maildir_file_fn *show, void *context, struct cm_error *err);

/* False if it is gone or not a regular file. */
bool cm_maildir_file_stat(const struct cm_maildir_file *file, struct stat *st_r);

/* Parses a Maildir file name: the time of delivery (leading digits before the first '.') and
   the size that quota counts (",S=" digits). False unless both are present. */
bool cm_maildir_name_parse(const char *name, time_t *time_r, uint64_t *size_r);

/* The last-seen time of the mailbox as an account: the modification time of its password file, a
   regular file. False if it is not there (errno ENOENT) or cannot be examined (errno). */
bool cm_maildir_last_seen(int mailbox_fd, time_t *seen_r);

#endif
