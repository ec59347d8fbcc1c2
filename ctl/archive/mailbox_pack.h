/*
 * mailbox_pack - add mailboxes to an archive while they are in use
 *
 * Every message that was in the mailbox when its turn began, and was not deleted, is in the
 * archive once, although clients may rename it meanwhile by changing its flags. dovecot-uidlist
 * comes after the messages and lists them all, so each keeps its UID.
 */
#ifndef CM_MAILBOX_PACK_H
#define CM_MAILBOX_PACK_H

#include <stdbool.h>

#include "archive_writer.h"
#include "error.h"

/* Adds the directory, an account or a tree of other files, under this name. If it is being
   deleted, the archive may contain a part of it, without a password. False with err filled. */
bool cm_mailbox_pack(struct cm_archive_writer *writer, int directory_fd, const char *name,
		     struct cm_error *err);

#endif
