#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "unix_socket.h"

/* If the backlog is full, a proxy reports an error to its client. The kernel caps this. */
#define BACKLOG 4096

#define UNIX_SCHEME "unix:"

/* Of a Unix socket: for the web server's group. */
#define SOCKET_MODE 0660

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	}
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	return (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

static int listen_on(const struct addrinfo *info)
{
	int yes = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	cm_file_close(fd);
	return -1;
}

/* "[::1]:9100" becomes "::1" and "9100". text is changed. */
static bool split(char *text, char **host_r, char **port_r)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL || colon == text)
		return false;
	*colon = '\0';
	*port_r = colon + 1;
	*host_r = text;
	if (text[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		*host_r = text + 1;
	}
	return true;
}

static int listen_inet(const char *host_port, bool *local_r, struct cm_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char *copy = strdup(host_port), *host, *port;
	int fd = -1;

	if (copy == NULL) {
		cm_error_set(err, "out of memory");
	} else if (!split(copy, &host, &port)) {
		cm_error_set(err, "%s: not HOST:PORT", host_port);
	} else {
		int result = getaddrinfo(host, port, &hints, &found);
		if (result != 0) {
			cm_error_set(err, "cannot listen on %s: %s", host_port,
				     gai_strerror(result));
		} else if ((fd = listen_on(found)) < 0) {
			cm_error_set_errno(err, "cannot listen on %s", host_port);
		} else {
			*local_r = is_loopback(found->ai_addr);
		}
	}
	if (found != NULL)
		freeaddrinfo(found);
	free(copy);
	return fd;
}

/* The path of a Unix socket; NULL for other places. */
const char *cm_httpd_socket_path(const char *where)
{
	size_t length = strlen(UNIX_SCHEME);

	return strncmp(where, UNIX_SCHEME, length) == 0 ? where + length : NULL;
}

int cm_httpd_listen(const char *where, bool *local_r, struct cm_error *err)
{
	const char *path = cm_httpd_socket_path(where);

	*local_r = true;
	return path != NULL ? cm_unix_socket_listen(path, SOCKET_MODE, BACKLOG, err)
			    : listen_inet(where, local_r, err);
}

void cm_httpd_unlink(const char *where)
{
	const char *path = cm_httpd_socket_path(where);

	if (path != NULL)
		(void)unlink(path);
}
