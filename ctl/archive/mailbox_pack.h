/*
 * mailbox_pack - mailboxes into an archive, while they are in use
 *
 * Every message that was there when its mailbox's turn began and was not deleted is in the archive,
 * once: clients may rename it meanwhile, by reading it or by other flags. dovecot-uidlist comes
 * after the messages and knows them all, so each keeps its UID.
 */
#ifndef CM_MAILBOX_PACK_H
#define CM_MAILBOX_PACK_H

#include <stdbool.h>

#include "archive_writer.h"
#include "error.h"

/* Adds the directory, an account or a tree of other files, under this name. One that is being
   deleted may be there in part, and then has no password. False with err filled. */
bool cm_mailbox_pack(struct cm_archive_writer *writer, int directory_fd, const char *name,
		     struct cm_error *err);

#endif
