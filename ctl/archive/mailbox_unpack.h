/*
 * mailbox_unpack - mailboxes out of an archive
 *
 * Everything is made in a directory of its own within mailboxes_dir, which nobody takes for an
 * account, and moved to its place when the whole archive proved to be good. Run it with the rights
 * of the mailboxes' owner (owner.h): so it all belongs to him.
 */
#ifndef CM_MAILBOX_UNPACK_H
#define CM_MAILBOX_UNPACK_H

#include <stdbool.h>

#include "archive_reader.h"
#include "error.h"

struct cm_mailbox_unpack;

/* Makes the directory; what a killed run left under this name is removed. NULL with err filled. */
struct cm_mailbox_unpack *cm_mailbox_unpack_begin(int mailboxes_fd, const char *name,
						  struct cm_error *err);

/* Writes an entry to path, relative to the directory. */
bool cm_mailbox_unpack_entry(struct cm_mailbox_unpack *unpack, struct cm_archive_reader *reader,
			     const struct cm_archive_entry *entry, const char *path,
			     struct cm_error *err);

/* Writes everything to the disk. */
bool cm_mailbox_unpack_sync(struct cm_mailbox_unpack *unpack, struct cm_error *err);

/* Moves one of the top's entries into mailboxes_dir. False with errno: EEXIST or ENOTEMPTY if
   there is one of this name that is not an empty directory. */
bool cm_mailbox_unpack_place(struct cm_mailbox_unpack *unpack, const char *name);

/* The directory. */
int cm_mailbox_unpack_fd(const struct cm_mailbox_unpack *unpack);

/* Removes the directory with everything that was not placed, and frees. */
void cm_mailbox_unpack_end(struct cm_mailbox_unpack **unpack);

#endif
