/*
 * owner - work as the user who owns the mailboxes
 *
 * Files that root's commands create there belong to that user, and a symbolic link in a mailbox
 * gives a command no more access than that user has.
 */
#ifndef CM_OWNER_H
#define CM_OWNER_H

#include <stdbool.h>

#include "error.h"

/* Takes on the effective user and group of a directory's owner. Does nothing unless the
   process runs as root. False with err filled. */
bool cm_owner_become(const char *directory, struct cm_error *err);

/* Returns to the user and group that the process was started with. */
void cm_owner_return(void);

#endif
