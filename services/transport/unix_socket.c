#include "unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A full backlog proves that a program listens, too. */
static bool is_served(const struct sockaddr_un *address)
{
	int fd = open_socket();
	bool served =
	    fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return served;
}

int unix_socket_listen(const char *path, mode_t mode, struct cm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		cm_error_set(err, "%s: the path of a socket is at most %zu bytes", path,
			     sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, path);
	if (is_served(&address)) {
		cm_error_set(err, "%s: another program listens there", path);
		return -1;
	}
	fd = open_socket();
	if (fd >= 0 && (unlink(path) == 0 || errno == ENOENT) &&
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    chmod(path, mode) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	cm_error_set_errno(err, "cannot listen on %s", path);
	if (fd >= 0)
		close(fd);
	return -1;
}
