/*
 * archive_filter - age or gpg between an archive and its file
 */
#ifndef CM_ARCHIVE_FILTER_H
#define CM_ARCHIVE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

#define CM_ARCHIVE_RECIPIENTS_MAX 16

struct cm_archive_filter {
	const char *program; /* "age" or "gpg"; NULL: there is no filter */
	pid_t pid;
};

/* Encrypts what is written to *fd_r, and writes it to output, for recipients: age's if they begin
   with "age1" or "ssh-" or have a slash (a file of recipients), else keys of gpg. False with err
   filled; all must be of one kind. */
bool cm_archive_encrypt(const char *const *recipients, size_t count, int output, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err);

/* If input is a file that is encrypted, or identity is given, decrypts it: *fd_r is what to read
   instead. identity: age's key file, or NULL. Otherwise *fd_r is input and there is no filter. */
bool cm_archive_decrypt(int input, const char *identity, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err);

/* Waits for the program, after our end of its pipe was closed. False with err filled if it
   failed. Fine without a filter. */
bool cm_archive_filter_end(struct cm_archive_filter *filter, struct cm_error *err);

#endif
