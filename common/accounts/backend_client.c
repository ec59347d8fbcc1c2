#include "backend_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend_outage.h"
#include "clock.h"
#include "server_reply.h"

struct client {
	const char *host;
	int fd;
	struct cm_reply_input input;
	struct cm_error *err;
};

static bool fail(struct client *client, const char *what)
{
	cm_error_set_errno(client->err, "backend %s: %s", client->host, what);
	return false;
}

static bool wait_for(const struct client *client, short events, int timeout)
{
	struct pollfd ready = {.fd = client->fd, .events = events};
	int count;

	do
		count = poll(&ready, 1, timeout * 1000);
	while (count < 0 && errno == EINTR);
	if (count == 0) {
		cm_backend_outage_begin(client->host, cm_clock_seconds());
		errno = ETIMEDOUT;
	}
	return count > 0;
}

/* Fills errno. */
static bool open_connection(struct client *client, const struct addrinfo *to)
{
	int error = 0;
	socklen_t size = sizeof(error);

	client->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return false;
	if (connect(client->fd, to->ai_addr, to->ai_addrlen) < 0) {
		if (errno != EINPROGRESS || !wait_for(client, POLLOUT, CM_BACKEND_CONNECT_TIMEOUT))
			return false;
		if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			return false;
		errno = error;
	}
	return error == 0;
}

static bool connect_to(struct client *client, unsigned int port)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	char service[8];
	bool good;

	if (cm_backend_outage_lasts(client->host, cm_clock_seconds())) {
		cm_error_set(client->err, "backend %s: did not answer", client->host);
		return false;
	}
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(client->host, service, &hints, &list) != 0) {
		errno = EINVAL;
		return fail(client, "not an address");
	}
	good = open_connection(client, list);
	freeaddrinfo(list);
	if (!good) {
		int reason = errno;

		/* These, too, come only after a wait. A refusal comes at once, and from a machine
		   that may soon accept. */
		if (reason == EHOSTUNREACH || reason == ENETUNREACH)
			cm_backend_outage_begin(client->host, cm_clock_seconds());
		errno = reason;
		return fail(client, "cannot connect");
	}
	return true;
}

static bool send_all(struct client *client, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(client->fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN && wait_for(client, POLLOUT, CM_BACKEND_TIMEOUT))
			continue;
		if (sent < 0)
			return fail(client, "cannot send");
		data += sent;
		length -= (size_t)sent;
	}
	return true;
}

/* Waits for more of a line. */
static bool receive(struct client *client)
{
	size_t room;
	char *space = cm_reply_room(&client->input, &room);
	ssize_t count;

	if (room == 0) {
		errno = EMSGSIZE;
		return fail(client, "sent a line that is too long");
	}
	do
		count = recv(client->fd, space, room, 0);
	while (count < 0 && errno == EAGAIN && wait_for(client, POLLIN, CM_BACKEND_TIMEOUT));
	if (count == 0)
		errno = ECONNRESET;
	if (count <= 0)
		return fail(client, "no reply");
	cm_reply_arrived(&client->input, (size_t)count);
	return true;
}

/* The next line; NULL with err filled if none came. */
static const char *read_line(struct client *client)
{
	const char *line;

	while ((line = cm_reply_line(&client->input)) == NULL)
		if (!receive(client))
			return NULL;
	return line;
}

static void close_client(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	explicit_bzero(&client->input, sizeof(client->input));
}

/* --- LMTP ----------------------------------------------------------------------------------- */

/* Returns the code of a reply of one or more lines; 0 with err filled if no valid reply came. */
static int read_reply(struct client *client)
{
	enum cm_reply result;
	char text[4];
	int code;

	while ((result = cm_reply_next(&client->input, text, sizeof(text), &code)) ==
	       CM_REPLY_PARTIAL)
		if (!receive(client))
			return 0;
	if (result == CM_REPLY_COMPLETE)
		return code;
	errno = EPROTO;
	fail(client, "not an LMTP server");
	return 0;
}

static int command(struct client *client, const char *format, const char *argument)
{
	char *text;
	int length = asprintf(&text, format, argument);
	bool good = length >= 0 && send_all(client, text, (size_t)length);

	if (length >= 0)
		free(text);
	return good ? read_reply(client) : 0;
}

static enum cm_account_status judge(struct client *client, int code)
{
	if (code / 100 == 2 || code == 552)
		return CM_ACCOUNT_OK;
	if (code == 550 || code == 551 || code == 553)
		return CM_ACCOUNT_ABSENT;
	if (code != 0)
		cm_error_set(client->err, "backend %s: replied %d to RCPT", client->host, code);
	return CM_ACCOUNT_TROUBLE;
}

enum cm_account_status cm_backend_has(const char *host, const char *address, struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_TROUBLE;
	struct client client = {.host = host, .fd = -1, .err = err};

	err->text[0] = '\0';
	if (connect_to(&client, CM_BACKEND_LMTP_PORT) && read_reply(&client) == 220 &&
	    command(&client, "LHLO front\r\n%s", "") == 250 &&
	    command(&client, "MAIL FROM:<>\r\n%s", "") == 250) {
		status = judge(&client, command(&client, "RCPT TO:<%s>\r\n", address));
		(void)send_all(&client, "QUIT\r\n", 6);
	} else if (err->text[0] == '\0') {
		cm_error_set(err, "backend %s: refused LMTP", host);
	}
	close_client(&client);
	return status;
}

/* --- IMAP ----------------------------------------------------------------------------------- */

/* The text of "a NO [CODE] TEXT". */
static void keep_text(const char *line, char text_r[CM_BACKEND_TEXT_SIZE])
{
	const char *end;

	line += strcspn(line, " ");
	line += strspn(line, " ");
	line += strcspn(line, " ");
	line += strspn(line, " ");
	if (line[0] == '[' && (end = strchr(line, ']')) != NULL)
		line = end + 1 + strspn(end + 1, " ");
	snprintf(text_r, CM_BACKEND_TEXT_SIZE, "%s", line);
}

enum cm_backend_login cm_backend_judge(const char *line, char text_r[CM_BACKEND_TEXT_SIZE])
{
	if (strncmp(line, "a OK", 4) == 0)
		return CM_BACKEND_LOGIN_OK;
	if (strncmp(line, "a NO", 4) != 0 || strstr(line, "[UNAVAILABLE]") != NULL)
		return CM_BACKEND_LOGIN_TROUBLE;
	keep_text(line, text_r);
	return CM_BACKEND_LOGIN_REFUSED;
}

static enum cm_backend_login read_result(struct client *client, char text_r[CM_BACKEND_TEXT_SIZE])
{
	enum cm_backend_login result = CM_BACKEND_LOGIN_TROUBLE;
	const char *line = NULL;

	for (int i = 0; i < CM_REPLY_LINES_MAX; i++) {
		line = read_line(client);
		if (line == NULL)
			return CM_BACKEND_LOGIN_TROUBLE;
		if (strncmp(line, "a ", 2) == 0) {
			result = cm_backend_judge(line, text_r);
			break;
		}
	}
	if (result == CM_BACKEND_LOGIN_OK)
		(void)send_all(client, "b LOGOUT\r\n", 10);
	if (result == CM_BACKEND_LOGIN_TROUBLE)
		cm_error_set(client->err, "backend %s: cannot check passwords now", client->host);
	return result;
}

enum cm_backend_login cm_backend_login(const char *host, const char *address, const char *password,
				       char text_r[CM_BACKEND_TEXT_SIZE], struct cm_error *err)
{
	enum cm_backend_login result = CM_BACKEND_LOGIN_TROUBLE;
	struct client client = {.host = host, .fd = -1, .err = err};
	char *text = NULL;
	int length;

	text_r[0] = '\0';
	if (connect_to(&client, CM_BACKEND_IMAP_PORT) && read_line(&client) != NULL) {
		/* Literals need no quoting, whatever the password contains (RFC 7888). */
		length = asprintf(&text, "a LOGIN {%zu+}\r\n%s {%zu+}\r\n%s\r\n", strlen(address),
				  address, strlen(password), password);
		if (length < 0)
			cm_error_set(err, "out of memory");
		else if (send_all(&client, text, (size_t)length))
			result = read_result(&client, text_r);
		if (length >= 0) {
			explicit_bzero(text, (size_t)length);
			free(text);
		}
	}
	close_client(&client);
	return result;
}
