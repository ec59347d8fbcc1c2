/*
 * spool - the bytes of one message during its delivery: in memory if small, otherwise in a file
 *
 * The file has no name, so it is gone with its last descriptor, however the program ends. Postfix
 * has the message in its queue until we reply, so nothing here needs to be durable.
 */
#ifndef TRANSPORT_SPOOL_H
#define TRANSPORT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spool {
	char *memory;
	int fd; /* -1: all bytes are in memory */
	size_t length;
};

/* The directory of the files. */
const char *spool_directory(void);

void spool_init(struct spool *spool);
/* Drops all bytes. */
void spool_clear(struct spool *spool);

/* False with errno set if it cannot be stored. */
bool spool_write(struct spool *spool, const void *data, size_t length);

/* Reads at an offset: returns the number of bytes, 0 at the end, -1 on failure. */
ssize_t spool_read(const struct spool *spool, size_t offset, void *data, size_t size);

#endif
