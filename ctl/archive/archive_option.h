/*
 * archive_option - the options of commands that write or read an archive
 */
#ifndef CM_ARCHIVE_OPTION_H
#define CM_ARCHIVE_OPTION_H

#include "archive_writer.h"
#include "options.h"

/* Adds a recipient to a struct cm_archive_target. */
cm_option_fn cm_archive_option_recipient;

#define CM_OPTION_ENCRYPT(target)                                                                  \
	{                                                                                          \
		"encrypt-to", 0, "RECIPIENT",                                                      \
		    "encrypt with age (age1..., ssh-..., a file with a / in its name)\n"           \
		    "or gpg (anything else)",                                                      \
		    cm_archive_option_recipient, (target), 0, 0                                    \
	}
#define CM_OPTION_IDENTITY(path)                                                                   \
	{                                                                                          \
		"identity", 0, "FILE", "the key of an archive encrypted with age", cm_option_text, \
		    (path), 0, 0                                                                   \
	}

/* Stores the archive's path ("-": standard output, which then has no room for a result as JSON).
   Returns -1 to go on, otherwise the exit status after a complaint. */
int cm_archive_option_path(struct cm_archive_target *target, const char *path, bool json,
			   const char *program);

#endif
