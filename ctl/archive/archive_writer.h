/*
 * archive_writer - write an archive of accounts or of a whole relay as a stream
 */
#ifndef CM_ARCHIVE_WRITER_H
#define CM_ARCHIVE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive_digest.h"
#include "archive_filter.h"
#include "error.h"

struct cm_archive_writer;

struct cm_archive_target {
	const char *path; /* "-": standard output */
	const char *recipients[CM_ARCHIVE_RECIPIENTS_MAX];
	size_t recipient_count; /* 0: not encrypted */
};

/* Begins an archive. A file gets its name only when it is complete (cm_archive_finish()),
   replaces an existing file, and only its owner can read it. kind and domain are for the first
   entry. NULL with err filled. */
struct cm_archive_writer *cm_archive_create(const struct cm_archive_target *target,
					    const char *kind, const char *domain,
					    struct cm_error *err);

/* Adds a file with this content. st provides its mode, owner and modification time. */
bool cm_archive_put_data(struct cm_archive_writer *writer, const char *name, const struct stat *st,
			 const void *data, size_t length, struct cm_error *err);

/* Adds an open regular file of st_size bytes. False with err filled, also if it is shorter. */
bool cm_archive_put_file(struct cm_archive_writer *writer, const char *name, int fd,
			 const struct stat *st, struct cm_error *err);

bool cm_archive_put_directory(struct cm_archive_writer *writer, const char *name,
			      struct cm_error *err);

/* The totals so far; the caller counts accounts and messages. */
struct cm_archive_totals *cm_archive_totals(struct cm_archive_writer *writer);

/* Completes the archive, durably if it is a file, and frees the writer. sha256_r is the digest
   in its last entry. False with err filled; then no archive remains. */
bool cm_archive_finish(struct cm_archive_writer **writer, char sha256_r[CM_ARCHIVE_SHA256_SIZE],
		       struct cm_error *err);

/* Gives up: the file is removed. NULL and a pointer to NULL are fine. */
void cm_archive_abandon(struct cm_archive_writer **writer);

#endif
