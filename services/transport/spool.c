#include "spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

/* Bytes that are kept in memory. */
#define SPOOL_MEMORY_MAX 65536

void spool_init(struct spool *spool)
{
	*spool = (struct spool){.fd = -1};
}

void spool_clear(struct spool *spool)
{
	free(spool->memory);
	if (spool->fd >= 0)
		close(spool->fd);
	spool_init(spool);
}

const char *spool_directory(void)
{
	const char *path = getenv("TMPDIR");

	return path != NULL && *path != '\0' ? path : "/var/tmp";
}

static bool move_to_file(struct spool *spool)
{
	int fd = open(spool_directory(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	if (!cm_file_write_fully(fd, spool->memory, spool->length)) {
		close(fd);
		return false;
	}
	free(spool->memory);
	spool->memory = NULL;
	spool->fd = fd;
	return true;
}

bool spool_write(struct spool *spool, const void *data, size_t length)
{
	char *memory;

	if (spool->fd < 0 && spool->length + length > SPOOL_MEMORY_MAX && !move_to_file(spool))
		return false;
	if (spool->fd >= 0) {
		if (!cm_file_write_fully(spool->fd, data, length))
			return false;
	} else {
		memory = realloc(spool->memory, spool->length + length + 1);
		if (memory == NULL)
			return false;
		spool->memory = memory;
		memcpy(memory + spool->length, data, length);
	}
	spool->length += length;
	return true;
}

ssize_t spool_read(const struct spool *spool, size_t offset, void *data, size_t size)
{
	if (spool->fd >= 0)
		return pread(spool->fd, data, size, (off_t)offset);
	if (offset >= spool->length)
		return 0;
	if (size > spool->length - offset)
		size = spool->length - offset;
	memcpy(data, spool->memory + offset, size);
	return (ssize_t)size;
}
