/*
 * owner - work as the user who owns the mailboxes
 *
 * What root's commands make there belongs to that user, and no symbolic link that he puts into a
 * mailbox leads a command further than himself.
 */
#ifndef CM_OWNER_H
#define CM_OWNER_H

#include <stdbool.h>

#include "error.h"

/* Takes on the effective user and group of a directory's owner. Does nothing unless the process is
   root's. False with err filled. */
bool cm_owner_become(const char *directory, struct cm_error *err);

/* Returns to the user and group that the process was started with. */
void cm_owner_return(void);

#endif
