#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool cm_file_random_name(char name[CM_FILE_RANDOM_SIZE])
{
	unsigned char bytes[(CM_FILE_RANDOM_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(name + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

ssize_t cm_file_read_fully(int fd, void *data, size_t max)
{
	size_t used = 0;

	while (used < max) {
		ssize_t got = read(fd, (char *)data + used, max - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

bool cm_file_read(int directory, const char *name, size_t max, char **data_r, size_t *length_r)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *data = NULL;
	ssize_t length;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0)
		goto fail;
	errno = !S_ISREG(st.st_mode) ? EINVAL : (uintmax_t)st.st_size > max ? EFBIG : 0;
	if (errno != 0)
		goto fail;
	/* One byte more than the size, to detect a file that grows meanwhile. */
	data = malloc((size_t)st.st_size + 2);
	if (data == NULL)
		goto fail;
	length = cm_file_read_fully(fd, data, (size_t)st.st_size + 1);
	if (length > st.st_size)
		errno = EAGAIN;
	if (length < 0 || length > st.st_size)
		goto fail;
	close(fd);
	data[length] = '\0';
	*data_r = data;
	*length_r = (size_t)length;
	return true;
fail:
	free(data);
	cm_file_close(fd);
	return false;
}

bool cm_file_write_fully(int fd, const void *data, size_t length)
{
	size_t written = 0;

	while (written < length) {
		ssize_t put = write(fd, (const char *)data + written, length - written);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		written += (size_t)put;
	}
	return true;
}

void cm_file_close(int fd)
{
	int saved_errno = errno;

	if (fd >= 0)
		close(fd);
	errno = saved_errno;
}

static bool write_temporary(int directory, const char *name, const void *data, size_t length,
			    mode_t mode, int flags)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	bool good;
	int saved_errno;

	if (fd < 0)
		return false;
	good =
	    cm_file_write_fully(fd, data, length) && (!(flags & CM_FILE_DURABLE) || fsync(fd) == 0);
	saved_errno = errno;
	if (close(fd) < 0 && good) {
		saved_errno = errno;
		good = false;
	}
	errno = saved_errno;
	return good;
}

static bool sync_directory(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;

	cm_file_close(fd);
	return good;
}

bool cm_file_write(int directory, const char *name, const char *tmp_prefix, const void *data,
		   size_t length, mode_t mode, int flags)
{
	char random[CM_FILE_RANDOM_SIZE];
	char *tmp = NULL;
	bool good;
	int saved_errno;

	if (!cm_file_random_name(random) || asprintf(&tmp, "%s%s", tmp_prefix, random) < 0)
		return false;
	good = write_temporary(directory, tmp, data, length, mode, flags);
	if (good && (flags & CM_FILE_NO_REPLACE))
		good = linkat(directory, tmp, directory, name, 0) == 0;
	else if (good)
		good = renameat(directory, tmp, directory, name) == 0;
	saved_errno = errno;
	if (!good || (flags & CM_FILE_NO_REPLACE))
		unlinkat(directory, tmp, 0);
	errno = saved_errno;
	if (good && (flags & CM_FILE_DURABLE))
		good = sync_directory(directory);
	saved_errno = errno;
	free(tmp);
	errno = saved_errno;
	return good;
}

bool cm_file_make_directories(const char *path, mode_t mode)
{
	char *copy = strdup(path);
	bool good = copy != NULL;
	int saved_errno;

	for (char *end = path[0] != '\0' ? copy : NULL; good && end != NULL;) {
		end = strchr(end + 1, '/');
		if (end != NULL)
			*end = '\0';
		good = mkdir(copy, mode) == 0 || errno == EEXIST;
		if (end != NULL)
			*end = '/';
	}
	saved_errno = errno;
	free(copy);
	errno = saved_errno;
	return good;
}

bool cm_file_lock(int fd, int operation)
{
	int result;

	while ((result = flock(fd, operation)) < 0 && errno == EINTR)
		;
	return result == 0;
}
