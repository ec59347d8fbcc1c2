/*
 * mailbox_unpack - extract mailboxes from an archive
 *
 * All files are extracted to a separate directory in mailboxes_dir, which no program treats as an
 * account, and moved to their place when the whole archive has proved valid. Run it with the
 * rights of the mailboxes' owner (owner.h), to whom the files then belong.
 */
#ifndef CM_MAILBOX_UNPACK_H
#define CM_MAILBOX_UNPACK_H

#include <stdbool.h>

#include "archive_reader.h"
#include "error.h"

struct cm_mailbox_unpack;

/* Creates the directory; removes the remains of a killed run with this name. NULL with err
   filled. */
struct cm_mailbox_unpack *cm_mailbox_unpack_begin(int mailboxes_fd, const char *name,
						  struct cm_error *err);

/* Writes an entry to path, relative to the directory. */
bool cm_mailbox_unpack_entry(struct cm_mailbox_unpack *unpack, struct cm_archive_reader *reader,
			     const struct cm_archive_entry *entry, const char *path,
			     struct cm_error *err);

/* Writes all files to the disk. */
bool cm_mailbox_unpack_sync(struct cm_mailbox_unpack *unpack, struct cm_error *err);

/* Moves one of the top-level entries to mailboxes_dir. False with errno: EEXIST or ENOTEMPTY
   if the name exists and is not an empty directory. */
bool cm_mailbox_unpack_place(struct cm_mailbox_unpack *unpack, const char *name);

/* The directory. */
int cm_mailbox_unpack_fd(const struct cm_mailbox_unpack *unpack);

/* Removes the directory with all files that were not placed, and frees the structure. */
void cm_mailbox_unpack_end(struct cm_mailbox_unpack **unpack);

#endif
