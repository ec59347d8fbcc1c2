#include "dialogue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "clock.h"

/* Seconds for one conversation. A server delays the reply to a wrong password. */
#define DIALOGUE_SECONDS 20

/* Only a hostile server sends a longer reply. */
#define REPLY_LINES_MAX 64

struct cm_dialogue {
	int fd;
	SSL_CTX *context;
	SSL *tls;
	X509 *certificate;
	int64_t deadline; /* cm_clock_milliseconds() */
	unsigned char buffer[4096];
	size_t begin, end;
};

static int milliseconds_left(const struct cm_dialogue *dialogue)
{
	int64_t left = dialogue->deadline - cm_clock_milliseconds();

	return left > 0 ? (int)left : 0;
}

static bool wait_for(struct cm_dialogue *dialogue, short events, struct cm_error *err)
{
	struct pollfd poller = {.fd = dialogue->fd, .events = events};
	int result;

	do
		result = poll(&poller, 1, milliseconds_left(dialogue));
	while (result < 0 && errno == EINTR);
	if (result > 0)
		return true;
	cm_error_set(err, "no reply for %d seconds", DIALOGUE_SECONDS);
	return false;
}

static struct cm_dialogue *connect_to(const struct sockaddr *address, socklen_t size,
				      const char *name, struct cm_error *err)
{
	struct cm_dialogue *dialogue = calloc(1, sizeof(*dialogue));
	int failure = 0;
	socklen_t length = sizeof(failure);

	if (dialogue == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	dialogue->deadline = cm_clock_milliseconds() + DIALOGUE_SECONDS * 1000;
	dialogue->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dialogue->fd >= 0 && connect(dialogue->fd, address, size) < 0) {
		if (errno != EINPROGRESS)
			failure = errno;
		else if (!wait_for(dialogue, POLLOUT, err))
			failure = ETIMEDOUT;
		else if (getsockopt(dialogue->fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
			failure = errno;
	}
	if (dialogue->fd >= 0 && failure == 0)
		return dialogue;
	errno = failure != 0 ? failure : errno;
	cm_error_set_errno(err, "cannot connect to %s", name);
	cm_dialogue_close(&dialogue);
	return NULL;
}

struct cm_dialogue *cm_dialogue_tcp(const char *host, unsigned int port, struct cm_error *err)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	char name[INET6_ADDRSTRLEN + 16];

	snprintf(name, sizeof(name), strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
	if (inet_pton(AF_INET, host, &a4.sin_addr) == 1)
		return connect_to((struct sockaddr *)&a4, sizeof(a4), name, err);
	if (inet_pton(AF_INET6, host, &a6.sin6_addr) == 1)
		return connect_to((struct sockaddr *)&a6, sizeof(a6), name, err);
	cm_error_set(err, "%s: not an IP address", host);
	return NULL;
}

struct cm_dialogue *cm_dialogue_unix(const char *path, struct cm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		cm_error_set(err, "%s: the path is too long for a socket", path);
		return NULL;
	}
	strcpy(address.sun_path, path);
	return connect_to((struct sockaddr *)&address, sizeof(address), path, err);
}

void cm_dialogue_close(struct cm_dialogue **dialogue_p)
{
	struct cm_dialogue *dialogue = *dialogue_p;

	*dialogue_p = NULL;
	if (dialogue == NULL)
		return;
	X509_free(dialogue->certificate);
	SSL_free(dialogue->tls);
	SSL_CTX_free(dialogue->context);
	if (dialogue->fd >= 0)
		close(dialogue->fd);
	free(dialogue);
}

/* After a call of OpenSSL that did not succeed: true if it should be repeated. */
static bool tls_again(struct cm_dialogue *dialogue, int result, struct cm_error *err)
{
	unsigned long code;

	switch (SSL_get_error(dialogue->tls, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(dialogue, POLLIN, err);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(dialogue, POLLOUT, err);
	case SSL_ERROR_SSL:
		code = ERR_peek_last_error();
		cm_error_set(err, "TLS: %s",
			     ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code)
								   : "protocol error");
		return false;
	default:
		cm_error_set(err, "the server closed the connection");
		return false;
	}
}

static bool prepare_tls(struct cm_dialogue *dialogue, const char *name, const char *alpn)
{
	unsigned char protocol[32], address[16];
	size_t length = alpn != NULL ? strlen(alpn) : 0;
	bool is_ip = inet_pton(AF_INET, name, address) == 1 || strchr(name, ':') != NULL;

	dialogue->context = SSL_CTX_new(TLS_client_method());
	if (dialogue->context == NULL || SSL_CTX_set_default_verify_paths(dialogue->context) != 1)
		return false;
	dialogue->tls = SSL_new(dialogue->context);
	if (dialogue->tls == NULL || SSL_set_fd(dialogue->tls, dialogue->fd) != 1)
		return false;
	/* The result of the verification is checked afterwards. */
	SSL_set_verify(dialogue->tls, SSL_VERIFY_NONE, NULL);
	if (is_ip)
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(dialogue->tls), name);
	else if (SSL_set1_host(dialogue->tls, name) != 1 ||
		 SSL_set_tlsext_host_name(dialogue->tls, name) != 1)
		return false;
	if (length > 0 && length < sizeof(protocol)) {
		protocol[0] = (unsigned char)length;
		memcpy(protocol + 1, alpn, length);
		return SSL_set_alpn_protos(dialogue->tls, protocol, (unsigned int)length + 1) == 0;
	}
	return true;
}

bool cm_dialogue_tls(struct cm_dialogue *dialogue, const char *name, const char *alpn,
		     struct cm_error *err)
{
	int result;

	if (!prepare_tls(dialogue, name, alpn)) {
		cm_error_set(err, "cannot use TLS");
		return false;
	}
	do {
		ERR_clear_error();
		result = SSL_connect(dialogue->tls);
	} while (result != 1 && tls_again(dialogue, result, err));
	if (result == 1)
		dialogue->certificate = SSL_get1_peer_certificate(dialogue->tls);
	return result == 1;
}

X509 *cm_dialogue_certificate(const struct cm_dialogue *dialogue)
{
	return dialogue->certificate;
}

long cm_dialogue_verified(const struct cm_dialogue *dialogue)
{
	return SSL_get_verify_result(dialogue->tls);
}

bool cm_dialogue_write(struct cm_dialogue *dialogue, const void *data, size_t size,
		       struct cm_error *err)
{
	size_t done = 0, part;

	while (done < size) {
		if (dialogue->tls != NULL) {
			int result;

			ERR_clear_error();
			result = SSL_write_ex(dialogue->tls, (const char *)data + done, size - done,
					      &part);
			if (result == 1)
				done += part;
			else if (!tls_again(dialogue, result, err))
				return false;
			continue;
		}
		ssize_t sent =
		    send(dialogue->fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
		if (sent >= 0) {
			done += (size_t)sent;
		} else if (errno == EAGAIN) {
			if (!wait_for(dialogue, POLLOUT, err))
				return false;
		} else if (errno != EINTR) {
			cm_error_set(err, "the server closed the connection");
			return false;
		}
	}
	return true;
}

/* Reads more into the empty buffer. */
static bool fill(struct cm_dialogue *dialogue, struct cm_error *err)
{
	dialogue->begin = dialogue->end = 0;
	while (dialogue->tls != NULL) {
		int result;

		ERR_clear_error();
		result = SSL_read_ex(dialogue->tls, dialogue->buffer, sizeof(dialogue->buffer),
				     &dialogue->end);
		if (result == 1)
			return true;
		if (!tls_again(dialogue, result, err))
			return false;
	}
	for (;;) {
		ssize_t got = recv(dialogue->fd, dialogue->buffer, sizeof(dialogue->buffer), 0);

		if (got > 0) {
			dialogue->end = (size_t)got;
			return true;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			cm_error_set(err, "the server closed the connection");
			return false;
		}
		if (!wait_for(dialogue, POLLIN, err))
			return false;
	}
}

bool cm_dialogue_read(struct cm_dialogue *dialogue, void *data, size_t size, struct cm_error *err)
{
	for (size_t i = 0; i < size; i++) {
		if (dialogue->begin == dialogue->end && !fill(dialogue, err))
			return false;
		((unsigned char *)data)[i] = dialogue->buffer[dialogue->begin++];
	}
	return true;
}

bool cm_dialogue_line(struct cm_dialogue *dialogue, char line[CM_DIALOGUE_LINE],
		      struct cm_error *err)
{
	size_t length = 0;
	unsigned char byte;

	do {
		/* Stops a server that never ends its line: waiting alone would not notice the
		   deadline. */
		if (milliseconds_left(dialogue) == 0)
			return wait_for(dialogue, 0, err);
		if (!cm_dialogue_read(dialogue, &byte, 1, err))
			return false;
		if (byte >= ' ' && length < CM_DIALOGUE_LINE - 1)
			line[length++] = byte < 0x7f ? (char)byte : '?';
	} while (byte != '\n');
	line[length] = '\0';
	return true;
}

bool cm_dialogue_say(struct cm_dialogue *dialogue, struct cm_error *err, const char *format, ...)
{
	va_list arguments;
	char *text = NULL, *line = NULL;
	bool good = false;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (text != NULL && asprintf(&line, "%s\r\n", text) < 0)
		line = NULL;
	if (line == NULL)
		cm_error_set(err, "out of memory");
	else
		good = cm_dialogue_write(dialogue, line, strlen(line), err);
	free(text);
	free(line);
	return good;
}

int cm_dialogue_reply(struct cm_dialogue *dialogue, char text_r[CM_DIALOGUE_LINE],
		      struct cm_error *err)
{
	char line[CM_DIALOGUE_LINE];
	size_t length = 0;

	text_r[0] = '\0';
	for (unsigned int lines = 0; lines < REPLY_LINES_MAX; lines++) {
		if (!cm_dialogue_line(dialogue, line, err))
			return 0;
		if (strspn(line, "0123456789") != 3 || strchr("- ", line[3]) == NULL)
			break;
		if (line[3] != '\0')
			length += (size_t)snprintf(text_r + length, CM_DIALOGUE_LINE - length,
						   "%s%s", length > 0 ? "\n" : "", line + 4);
		if (length >= CM_DIALOGUE_LINE)
			length = CM_DIALOGUE_LINE - 1;
		if (line[3] != '-')
			return atoi(line);
	}
	cm_error_set(err, "it does not speak SMTP: %.100s", line);
	return 0;
}
