#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

int cm_directory_open(int parent_fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	/* O_NOATIME: otherwise reading dirties each directory's inode once a day (relatime). Only
	   the owner may set the flag. */
	fd = openat(parent_fd, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(parent_fd, name, flags);
	return fd;
}

int cm_directory_open_beneath(int parent_fd, const char *path)
{
	char component[NAME_MAX + 1];
	int fd = fcntl(parent_fd, F_DUPFD_CLOEXEC, 0);

	while (fd >= 0 && *path != '\0') {
		size_t length = strcspn(path, "/");
		int next;

		if (length == 0) {
			path++;
			continue;
		}
		if (length >= sizeof(component) || (length == 2 && memcmp(path, "..", 2) == 0)) {
			close(fd);
			errno = EINVAL;
			return -1;
		}
		memcpy(component, path, length);
		component[length] = '\0';
		path += length;
		next = cm_directory_open(fd, component);
		cm_file_close(fd);
		fd = next;
	}
	return fd;
}

DIR *cm_directory_stream(int fd)
{
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream == NULL)
		cm_file_close(fd);
	return stream;
}

bool cm_directory_is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}
