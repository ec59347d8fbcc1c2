#include "unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int try_bind(const struct sockaddr_un *address, mode_t mode, int backlog)
{
	mode_t mask = umask(0777 & ~mode);
	int fd = open_socket();
	bool good = fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
		    listen(fd, backlog) == 0;

	umask(mask);
	if (good)
		return fd;
	cm_file_close(fd);
	return -1;
}

/* True if the process that created the name is gone. */
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = open_socket();
	bool stale = fd >= 0 &&
		     connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		     errno == ECONNREFUSED;

	cm_file_close(fd);
	return stale;
}

int cm_unix_socket_listen(const char *path, mode_t mode, int backlog, struct cm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		cm_error_set(err, "%s: the path of a socket is at most %zu bytes", path,
			     sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = try_bind(&address, mode, backlog);
	if (fd < 0 && errno == EADDRINUSE && is_stale(&address)) {
		(void)unlink(path);
		fd = try_bind(&address, mode, backlog);
	}
	if (fd < 0 && errno == EADDRINUSE)
		cm_error_set(err, "cannot listen on %s: another program listens there", path);
	else if (fd < 0)
		cm_error_set_errno(err, "cannot listen on %s", path);
	return fd;
}
