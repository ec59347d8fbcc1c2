/*
 * archive_option - the option of commands that write an archive
 */
#ifndef CM_ARCHIVE_OPTION_H
#define CM_ARCHIVE_OPTION_H

#include "archive_writer.h"
#include "options.h"

/* Adds a recipient to a struct cm_archive_target. */
cm_option_fn cm_archive_option_recipient;

#define CM_OPTION_ENCRYPT(target)                                                                  \
	{                                                                                          \
		.name = "encrypt-to", .argument = "RECIPIENT", .set = cm_archive_option_recipient, \
		.value = (target),                                                                 \
		.help = "encrypt with age (age1..., ssh-..., a file with a / in its name)\n"       \
			"or gpg (anything else)",                                                  \
	}

#endif
