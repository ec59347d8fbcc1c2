#include "lib.h"

#include "turn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "turn_login.h"

#define LINE_SIZE 512
#define WAIT_MS   2000

static enum cm_turn_status compute(const struct cm_config *config, time_t now, const char **value_r,
				   struct cm_error *err)
{
	struct cm_turn_login login;

	if (!cm_turn_login_make(config->turn_secret_file, now + CM_TURN_LIFETIME, &login, err))
		return CM_TURN_TROUBLE;
	*value_r = t_strdup_printf("%s:%d:%s:%s", config->turn_host, CM_TURN_PORT, login.username,
				   login.password);
	explicit_bzero(&login, sizeof(login));
	return CM_TURN_OK;
}

/* -1 with errno ENOENT: there is no socket, so this relay has no TURN daemon. */
static int connect_daemon(const char *path, struct cm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, saved_errno;

	if (strlen(path) >= sizeof(address.sun_path)) {
		cm_error_set(err, "turn_socket_path: %s: too long", path);
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	saved_errno = errno;
	cm_error_set_errno(err, "turn_socket_path: %s", path);
	if (fd >= 0)
		close(fd);
	errno = saved_errno;
	return -1;
}

/* Reads up to the first newline or the end, for WAIT_MS at most. */
static bool read_line(int fd, char line[LINE_SIZE])
{
	int64_t end = cm_clock_milliseconds() + WAIT_MS, left;
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t count = 1;

	while (memchr(line, '\n', used) == NULL && count > 0) {
		left = end - cm_clock_milliseconds();
		if (left <= 0 || used == LINE_SIZE - 1)
			return false;
		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		count = read(fd, line + used, LINE_SIZE - 1 - used);
		if (count > 0)
			used += (size_t)count;
	}
	line[used] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return count >= 0;
}

/* "USERNAME:PASSWORD", printable. */
static bool is_credentials(const char *line)
{
	const char *colon = strchr(line, ':');

	if (colon == NULL || colon == line || colon[1] == '\0')
		return false;
	for (; *line != '\0'; line++)
		if (*line <= ' ' || *line > '~')
			return false;
	return true;
}

static enum cm_turn_status ask(const struct cm_config *config, const char **value_r,
			       struct cm_error *err)
{
	enum cm_turn_status status = CM_TURN_OK;
	int fd = connect_daemon(config->turn_socket_path, err);
	char line[LINE_SIZE];

	if (fd < 0)
		return errno == ENOENT ? CM_TURN_OFF : CM_TURN_TROUBLE;
	if (read_line(fd, line) && is_credentials(line)) {
		*value_r = t_strdup_printf("%s:%d:%s", config->turn_host, CM_TURN_PORT, line);
	} else {
		cm_error_set(err, "turn_socket_path: %s: the daemon returned no credentials",
			     config->turn_socket_path);
		status = CM_TURN_TROUBLE;
	}
	explicit_bzero(line, sizeof(line));
	close(fd);
	return status;
}

enum cm_turn_status cm_turn_credentials(const struct cm_config *config, time_t now,
					const char **value_r, struct cm_error *err)
{
	*value_r = NULL;
	/* A relay with an IPv6 address and no name: clients split the value at its first colons. */
	if (strchr(config->turn_host, ':') != NULL)
		return CM_TURN_OFF;
	if (config->turn_secret_file[0] != '\0')
		return compute(config, now, value_r, err);
	if (config->turn_socket_path[0] != '\0')
		return ask(config, value_r, err);
	return CM_TURN_OFF;
}
