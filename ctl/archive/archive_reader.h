/*
 * archive_reader - read an archive as a stream, without trusting it
 *
 * An entry is a regular file or a directory with a relative name of plain components; anything
 * else ends the reading with an error. See archive_digest.h for the order of entries.
 */
#ifndef CM_ARCHIVE_READER_H
#define CM_ARCHIVE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "archive_digest.h"
#include "error.h"

/* Longest name of an entry. */
#define CM_ARCHIVE_NAME_MAX 1024

struct cm_archive_reader;

struct cm_archive_entry {
	const char *name; /* without a slash at its end */
	bool directory;
	uint64_t size;
	mode_t mode;
	struct timespec mtime;
	const char *user, *group; /* names; may be "" */
};

struct cm_archive_about {
	bool relay; /* of a whole relay, not of an account */
	char *domain;
	time_t created;
};

/* Opens a file ("-": standard input), which may be encrypted (see archive_filter.h), and reads
   its first entry. NULL with err filled. */
struct cm_archive_reader *cm_archive_open(const char *path, const char *identity,
					  struct cm_error *err);
void cm_archive_close(struct cm_archive_reader **reader);

const struct cm_archive_about *cm_archive_about(const struct cm_archive_reader *reader);

/* The entry is valid during the call. False, with the err of cm_archive_each() filled, ends it. */
typedef bool cm_archive_entry_fn(const struct cm_archive_entry *entry, void *context);

/* Calls visit for each entry, and shows the progress. Content that visit does not read is skipped.
   False with err filled, also if the counts do not match the last entry. */
bool cm_archive_each(struct cm_archive_reader *reader, cm_archive_entry_fn *visit, void *context,
		     struct cm_error *err);

/* Writes the content of the entry to a file. */
bool cm_archive_copy(struct cm_archive_reader *reader, int fd, struct cm_error *err);

/* The content of an entry of at most max bytes, malloc'd with a NUL behind it. NULL with err
   filled. */
char *cm_archive_content(struct cm_archive_reader *reader, size_t max, size_t *length_r,
			 struct cm_error *err);

/* The totals so far; accounts and messages come from the last entry and are 0 before it. */
const struct cm_archive_totals *cm_archive_read_totals(const struct cm_archive_reader *reader);

#endif
