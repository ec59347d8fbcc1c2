#include "smtp_client.h"

#include "dot_stuffing.h"
#include "server_reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* RFC 5321 4.5.3.1.3: a path, with room. */
#define ADDRESS_MAX 320
#define OUTPUT_SIZE 16384

struct cm_smtp_client {
	int fd;
	struct cm_reply_input input;
	struct cm_dot_stuffing stuffing;
	char output[OUTPUT_SIZE];
	size_t output_length;
	bool broken;
};

static bool send_all(struct cm_smtp_client *client, const char *data, size_t length)
{
	while (length > 0 && !client->broken) {
		ssize_t sent = send(client->fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			client->broken = true;
			return false;
		}
		data += sent;
		length -= (size_t)sent;
	}
	return !client->broken;
}

/* The last line of a reply. True if its code begins with the wanted digit. */
static bool read_reply(struct cm_smtp_client *client, char wanted, struct cm_smtp_reply *reply_r)
{
	enum cm_reply result = CM_REPLY_BROKEN;

	while (!client->broken &&
	       (result = cm_reply_next(&client->input, reply_r->text, sizeof(reply_r->text),
				       &reply_r->code)) == CM_REPLY_PARTIAL) {
		size_t room;
		char *space = cm_reply_room(&client->input, &room);
		ssize_t got = room > 0 ? recv(client->fd, space, room, 0) : 0;

		if (got > 0)
			cm_reply_arrived(&client->input, (size_t)got);
		else if (got == 0 || errno != EINTR)
			client->broken = true;
	}
	if (result == CM_REPLY_COMPLETE)
		return reply_r->text[0] == wanted;
	client->broken = true;
	*reply_r = (struct cm_smtp_reply){.text = "451 4.3.0 No reply"};
	return false;
}

static bool command(struct cm_smtp_client *client, char wanted, struct cm_smtp_reply *reply_r,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
static bool command(struct cm_smtp_client *client, char wanted, struct cm_smtp_reply *reply_r,
		    const char *format, ...)
{
	char line[ADDRESS_MAX + 64];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(line)) {
		*reply_r = (struct cm_smtp_reply){553, "553 5.1.3 The address is too long"};
		return false;
	}
	send_all(client, line, (size_t)length);
	return read_reply(client, wanted, reply_r);
}

static bool connect_to(struct cm_smtp_client *client, unsigned int port)
{
	const struct timeval timeout = {.tv_sec = CM_SMTP_CLIENT_SECONDS};
	const struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return client->fd >= 0 &&
	       setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
	       setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	       connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool introduce(struct cm_smtp_client *client, const char *peer,
		      struct cm_smtp_reply *reply_r)
{
	const char *kind = strchr(peer, ':') != NULL ? "IPV6:" : "";

	return read_reply(client, '2', reply_r) &&
	       command(client, '2', reply_r, "EHLO localhost\r\n") &&
	       command(client, '2', reply_r,
		       "XCLIENT NAME=[UNAVAILABLE] ADDR=%s%s PROTO=ESMTP HELO=mxdeliv\r\n", kind,
		       peer) &&
	       command(client, '2', reply_r, "EHLO localhost\r\n");
}

struct cm_smtp_client *cm_smtp_client_open(unsigned int port, const char *peer,
					   struct cm_smtp_reply *reply_r)
{
	struct cm_smtp_client *client = calloc(1, sizeof(*client));

	*reply_r = (struct cm_smtp_reply){.text = "451 4.3.0 Temporary failure"};
	if (client == NULL)
		return NULL;
	cm_dot_stuffing_init(&client->stuffing);
	if (connect_to(client, port) && introduce(client, peer, reply_r))
		return client;
	cm_smtp_client_close(&client);
	return NULL;
}

void cm_smtp_client_close(struct cm_smtp_client **client)
{
	if (*client == NULL)
		return;
	if ((*client)->fd >= 0)
		close((*client)->fd);
	free(*client);
	*client = NULL;
}

bool cm_smtp_client_sendable(const char *address)
{
	bool good = strlen(address) <= ADDRESS_MAX;

	for (const char *c = address; *c != '\0'; c++)
		good = good && *c > ' ' && *c < 0x7f && *c != '<' && *c != '>';
	return good;
}

static bool is_sendable(const char *address, struct cm_smtp_reply *reply_r)
{
	bool good = cm_smtp_client_sendable(address);

	if (!good)
		*reply_r = (struct cm_smtp_reply){553, "553 5.1.3 Malformed address"};
	return good;
}

bool cm_smtp_client_mail(struct cm_smtp_client *client, const char *sender,
			 struct cm_smtp_reply *reply_r)
{
	return is_sendable(sender, reply_r) &&
	       command(client, '2', reply_r, "MAIL FROM:<%s> BODY=8BITMIME\r\n", sender);
}

bool cm_smtp_client_recipient(struct cm_smtp_client *client, const char *recipient,
			      struct cm_smtp_reply *reply_r)
{
	return is_sendable(recipient, reply_r) &&
	       command(client, '2', reply_r, "RCPT TO:<%s>\r\n", recipient);
}

bool cm_smtp_client_data(struct cm_smtp_client *client, struct cm_smtp_reply *reply_r)
{
	return command(client, '3', reply_r, "DATA\r\n");
}

static void flush(struct cm_smtp_client *client)
{
	send_all(client, client->output, client->output_length);
	client->output_length = 0;
}

static void put(void *context, const char *data, size_t length)
{
	struct cm_smtp_client *client = context;

	if (length > OUTPUT_SIZE - client->output_length)
		flush(client);
	if (length > OUTPUT_SIZE) {
		send_all(client, data, length);
		return;
	}
	memcpy(client->output + client->output_length, data, length);
	client->output_length += length;
}

bool cm_smtp_client_write(struct cm_smtp_client *client, const char *data, size_t length)
{
	cm_dot_stuffing_write(&client->stuffing, data, length, put, client);
	return !client->broken;
}

bool cm_smtp_client_end(struct cm_smtp_client *client, struct cm_smtp_reply *reply_r)
{
	cm_dot_stuffing_end(&client->stuffing, put, client);
	put(client, ".\r\n", 3);
	flush(client);
	return read_reply(client, '2', reply_r);
}
