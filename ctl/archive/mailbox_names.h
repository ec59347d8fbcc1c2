/*
 * mailbox_names - files of a mailbox that an archive omits
 */
#ifndef CM_MAILBOX_NAMES_H
#define CM_MAILBOX_NAMES_H

#include <stdbool.h>

/* True for the name of a file that Dovecot recreates, or that is being written: indexes, locks,
   temporary files. Indexes of the source would not match its messages. Directories are folders,
   which may have any name. */
bool cm_mailbox_name_is_passing(const char *name);

#endif
