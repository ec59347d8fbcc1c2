#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file.h"

/* Bytes that are kept in memory. */
#define SPOOL_MEMORY_MAX 65536
/* Bytes of the file system that stay free, or a sixteenth of it if that is less: one message to
   hundreds of domains is stored as often, and mailboxes may be there, too. */
#define SPOOL_RESERVE ((uint64_t)256 << 20)

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

static bool has_room(int fd)
{
	struct statvfs status;
	uint64_t reserve;

	if (fstatvfs(fd, &status) != 0)
		return false;
	reserve = (uint64_t)status.f_blocks * status.f_frsize / 16;
	if (reserve > SPOOL_RESERVE)
		reserve = SPOOL_RESERVE;
	if ((uint64_t)status.f_bavail * status.f_frsize >= reserve)
		return true;
	errno = ENOSPC;
	return false;
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
		if (!has_room(spool->fd) || !cm_file_write_fully(spool->fd, data, length))
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
