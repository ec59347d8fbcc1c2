#include "supervisor.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Half of WATCHDOG_USEC, in milliseconds. */
#define USEC_TO_PERIOD 2000
#define PERIOD_MIN     100

void cm_supervisor_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path == NULL ? 0 : strlen(path);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path) || strchr("/@", path[0]) == NULL)
		return;
	memcpy(address.sun_path, path, length);
	/* A name in the abstract namespace. */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	       (const struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

int cm_supervisor_watchdog(int otherwise)
{
	const char *text = getenv("WATCHDOG_USEC");
	char *end;
	unsigned long long usec;

	if (text == NULL || *text < '0' || *text > '9')
		return otherwise;
	usec = strtoull(text, &end, 10);
	if (*end != '\0' || usec == 0)
		return otherwise;
	usec /= USEC_TO_PERIOD;
	if (usec < PERIOD_MIN)
		return PERIOD_MIN;
	return usec > INT_MAX ? INT_MAX : (int)usec;
}
