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
	const char *program; /* "age" or "gpg"; NULL: no filter */
	pid_t pid;
};

/* Encrypts the data written to *fd_r for recipients, and writes it to output. Recipients are
   age's if they begin with "age1" or "ssh-" or contain a slash (a file of recipients),
   otherwise keys of gpg; all must be of one kind. False with err filled. */
bool cm_archive_encrypt(const char *const *recipients, size_t count, int output, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err);

/* If input is a file that is encrypted, or identity is given, decrypts it: the caller
   reads *fd_r instead. identity: age's key file, or NULL. Otherwise *fd_r is input and there is no
   filter. */
bool cm_archive_decrypt(int input, const char *identity, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err);

/* Waits for the program, after our end of its pipe was closed. False with err filled if it
   failed. Succeeds without a filter. */
bool cm_archive_filter_end(struct cm_archive_filter *filter, struct cm_error *err);

#endif
