/*
 * folders - delete the unused folders of a mailbox
 */
#ifndef EXPIRE_FOLDERS_H
#define EXPIRE_FOLDERS_H

#include "state.h"

/* Deletes the folders of an account that contain no messages and have not changed for as long
   as a message is kept. fd: the account's mailbox. */
void expire_folders(struct expire_state *state, const char *name, int fd);

#endif
