#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool lock_file(int fd, const char *path, struct cm_error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;

	if (fstat(fd, &st) != 0) {
		cm_error_set_errno(err, "%s: cannot be examined", path);
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1) {
		cm_error_set(err, "%s: must be a regular file with one name", path);
		return false;
	}
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return true;
	if (errno == EACCES || errno == EAGAIN)
		cm_error_set(err, "%s: locked: the program is already running", path);
	else
		cm_error_set_errno(err, "%s: cannot be locked", path);
	return false;
}

int cm_pid_file_open(const char *path, struct cm_error *err)
{
	char text[24];
	int fd, length;

	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0) {
		cm_error_set_errno(err, "%s: cannot be opened", path);
		return -1;
	}
	if (lock_file(fd, path, err)) {
		length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(fd, 0) == 0 && write(fd, text, (size_t)length) == length)
			return fd;
		cm_error_set_errno(err, "%s: cannot be written", path);
	}
	close(fd);
	return -1;
}

void cm_pid_file_remove(const char *path, int *fd)
{
	if (*fd < 0)
		return;
	/* If the file cannot be removed, the number must go: another process may get the same
	   PID. */
	if (unlink(path) != 0 && ftruncate(*fd, 0) != 0)
		(void)0;
	close(*fd);
	*fd = -1;
}
