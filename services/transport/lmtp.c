#include "lmtp.h"

#include "connections.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Maximum number of sessions; further connections wait. Postfix's process limit is lower. */
#define LMTP_SESSIONS_MAX   600
#define LMTP_RECIPIENTS_MAX 1000

#define INPUT_SIZE 16384
/* RFC 5321 4.5.3.1.4 requires 512; parameters of extensions make it longer. */
#define LINE_MAX_BYTES 2000
/* No command is read while a client has so many bytes of replies to read. */
#define OUTPUT_MAX 65536

enum state {
	STATE_COMMAND,
	STATE_DATA,
	STATE_WAIT, /* for the delivery; Postfix waits, too: LMTP has no pipelining over DATA */
};

/* How much of the end of the data, CR LF "." CR LF, has been read. */
enum data_state {
	DATA_LINE_START,
	DATA_TEXT,
	DATA_CR,
	DATA_DOT,    /* a dot at the start of a line, not stored yet */
	DATA_DOT_CR, /* and a CR */
};

struct session {
	struct connection connection; /* first: see destroy_connection() */
	struct lmtp_server *server;
	enum state state;
	enum data_state data_state;
	bool closing;

	char input[INPUT_SIZE];
	size_t input_length;
	char *output; /* malloc'd, not sent yet */
	size_t output_length;

	bool has_sender, failed; /* failed: the message cannot be stored */
	size_t received;
	char *sender;
	char domain[ROUTE_DOMAIN_SIZE];
	char *recipients[LMTP_RECIPIENTS_MAX];
	size_t recipient_count;
	struct spool spool;
	struct delivery *delivery;
};

struct lmtp_server {
	struct delivery_world *world;
	struct connections connections;
	size_t max_message_bytes;
	size_t busy;
};

static void reset(struct session *session)
{
	if (session->delivery != NULL)
		session->server->busy--;
	delivery_cancel(&session->delivery);
	free(session->sender);
	session->sender = NULL;
	session->has_sender = session->failed = false;
	for (size_t i = 0; i < session->recipient_count; i++)
		free(session->recipients[i]);
	session->recipient_count = 0;
	session->received = 0;
	spool_clear(&session->spool);
	session->state = STATE_COMMAND;
}

static void destroy(struct session *session)
{
	reset(session);
	connection_close(&session->connection);
	free(session->output);
	free(session);
}

static void destroy_connection(struct connection *connection)
{
	destroy((struct session *)connection);
}

/* Appends a reply line. Out of memory, the session ends: Postfix retries. */
static void reply(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void reply(struct session *session, const char *format, ...)
{
	char line[DELIVERY_TEXT_SIZE + 16], *output;
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line) - 2, format, arguments);
	va_end(arguments);
	strcat(line, "\r\n");
	length = strlen(line);
	output = realloc(session->output, session->output_length + length);
	if (output == NULL) {
		session->closing = true;
		return;
	}
	memcpy(output + session->output_length, line, length);
	session->output = output;
	session->output_length += length;
}

/* Reads "<path>" after a keyword such as "FROM:". NULL if it is missing, or out of memory. */
static char *read_path(const char *arguments, const char *keyword)
{
	const char *start, *end;

	if (strncasecmp(arguments, keyword, strlen(keyword)) != 0)
		return NULL;
	start = arguments + strlen(keyword);
	start += strspn(start, " ");
	if (*start++ != '<')
		return NULL;
	/* A quoted local part may contain a ">"; parameters do not. */
	end = strrchr(start, '>');
	return end != NULL ? strndup(start, (size_t)(end - start)) : NULL;
}

static void on_mail(struct session *session, const char *arguments)
{
	reset(session);
	if (session->server->connections.stopped) {
		reply(session, "421 4.3.2 The program is about to end");
		session->closing = true;
		return;
	}
	session->sender = read_path(arguments, "FROM:");
	if (session->sender == NULL) {
		reply(session, "501 5.5.4 Syntax: MAIL FROM:<address>");
		return;
	}
	session->has_sender = true;
	reply(session, "250 2.1.0 Ok");
}

static void on_recipient(struct session *session, const char *arguments)
{
	char domain[ROUTE_DOMAIN_SIZE], *address = NULL;

	if (!session->has_sender) {
		reply(session, "503 5.5.1 MAIL first");
		return;
	}
	address = read_path(arguments, "TO:");
	if (address == NULL || !route_read_domain(address, domain)) {
		reply(session, "501 5.1.3 Malformed address");
	} else if (session->recipient_count == LMTP_RECIPIENTS_MAX) {
		reply(session, "452 4.5.3 Too many recipients");
	} else if (session->recipient_count > 0 && strcmp(domain, session->domain) != 0) {
		reply(session, "452 4.5.3 Only one domain in each message");
	} else {
		strcpy(session->domain, domain);
		session->recipients[session->recipient_count++] = address;
		address = NULL;
		reply(session, "250 2.1.5 Ok");
	}
	free(address);
}

static void on_data(struct session *session)
{
	if (session->recipient_count == 0) {
		reply(session, "503 5.5.1 RCPT first");
		return;
	}
	session->state = STATE_DATA;
	session->data_state = DATA_LINE_START;
	reply(session, "354 End data with <CR><LF>.<CR><LF>");
}

static void on_command(struct session *session, char *line)
{
	size_t verb = strcspn(line, " ");
	const char *arguments = line + verb + (line[verb] == ' ');

	if (strncasecmp(line, "LHLO", verb) == 0 && verb == 4) {
		reset(session);
		reply(session, "250-chatmail-transport");
		reply(session, "250-8BITMIME");
		reply(session, "250-ENHANCEDSTATUSCODES");
		reply(session, "250-PIPELINING");
		reply(session, "250 SIZE %zu", session->server->max_message_bytes);
	} else if (strncasecmp(line, "MAIL", verb) == 0 && verb == 4) {
		on_mail(session, arguments);
	} else if (strncasecmp(line, "RCPT", verb) == 0 && verb == 4) {
		on_recipient(session, arguments);
	} else if (strcasecmp(line, "DATA") == 0) {
		on_data(session);
	} else if (strcasecmp(line, "RSET") == 0) {
		reset(session);
		reply(session, "250 2.0.0 Ok");
	} else if (strncasecmp(line, "NOOP", verb) == 0 && verb == 4) {
		reply(session, "250 2.0.0 Ok");
	} else if (strcasecmp(line, "QUIT") == 0) {
		reply(session, "221 2.0.0 Bye");
		session->closing = true;
	} else {
		reply(session, "500 5.5.2 Unknown command");
	}
}

static void write_output(struct session *session)
{
	ssize_t written;

	if (session->output_length == 0)
		return;
	written = send(session->connection.watch.fd, session->output, session->output_length,
		       MSG_NOSIGNAL);
	if (written < 0) {
		if (errno != EAGAIN && errno != EINTR)
			session->closing = true;
		return;
	}
	session->output_length -= (size_t)written;
	memmove(session->output, session->output + written, session->output_length);
}

/* Sent at once: what Postfix has read it does not deliver again if this program is killed. */
static void on_result(void *context, int code, const char *text)
{
	struct session *session = context;

	reply(session, "%d %s", code, text);
	write_output(session);
	if (session->output_length > 0)
		session->connection.watch.events |= POLLOUT;
}

static void go_on(struct session *session);

static void on_delivered(void *context)
{
	struct session *session = context;

	session->delivery = NULL;
	session->server->busy--;
	reset(session);
	go_on(session);
}

static void reply_to_all(struct session *session, const char *line)
{
	for (size_t i = 0; i < session->recipient_count; i++)
		reply(session, "%s", line);
	reset(session);
}

static void end_data(struct session *session)
{
	const struct delivery_message message = {
	    .domain = session->domain,
	    .sender = session->sender,
	    .recipients = (const char *const *)session->recipients,
	    .recipient_count = session->recipient_count,
	    .spool = &session->spool,
	};

	if (session->received > session->server->max_message_bytes) {
		reply_to_all(session, "552 5.3.4 The message is too large");
		return;
	}
	if (!session->failed)
		session->delivery = delivery_start(session->server->world, &message, on_result,
						   on_delivered, session);
	if (session->delivery == NULL) {
		reply_to_all(session, "451 4.3.1 The message cannot be stored now");
		return;
	}
	session->server->busy++;
	session->state = STATE_WAIT;
}

static void store(struct session *session, const char *data, size_t length)
{
	session->received += length;
	if (session->received <= session->server->max_message_bytes && !session->failed)
		session->failed = !spool_write(&session->spool, data, length);
}

/* Finds the end of the data: the state after one more byte. A dot that may be the final one is
   held back. */
static enum data_state after(enum data_state state, char c)
{
	switch (state) {
	case DATA_LINE_START:
		if (c == '.')
			return DATA_DOT;
		break;
	case DATA_CR:
		if (c == '\n')
			return DATA_LINE_START;
		break;
	case DATA_DOT:
		if (c == '\r')
			return DATA_DOT_CR;
		break;
	default:
		break;
	}
	return c == '\r' ? DATA_CR : DATA_TEXT;
}

/* Takes the message's bytes from the input. Returns how many were used. */
static size_t on_message(struct session *session, const char *data, size_t length)
{
	size_t start = 0, i = 0;

	while (i < length) {
		enum data_state before = session->data_state;

		if (before == DATA_DOT_CR && data[i] == '\n') {
			end_data(session);
			return i + 1;
		}
		session->data_state = after(before, data[i]);
		if (before == DATA_DOT && session->data_state != DATA_DOT_CR)
			store(session, ".", 1);
		else if (before == DATA_DOT_CR)
			store(session, ".\r", 2);
		if (session->data_state == DATA_DOT || session->data_state == DATA_DOT_CR) {
			store(session, data + start, i - start);
			start = i + 1;
		} else if (before == DATA_DOT || before == DATA_DOT_CR) {
			start = i;
		}
		i++;
	}
	store(session, data + start, length - start);
	return length;
}

/* Takes one line from the input. Returns how many bytes were used; 0: there is no complete
   line. */
static size_t on_line(struct session *session, char *data, size_t length)
{
	char *end = memchr(data, '\n', length);
	size_t used;

	if (end == NULL) {
		if (length > LINE_MAX_BYTES)
			session->closing = true;
		return 0;
	}
	used = (size_t)(end - data) + 1;
	*end = '\0';
	if (end > data && end[-1] == '\r')
		end[-1] = '\0';
	on_command(session, data);
	return used;
}

/* Processes the input as far as possible. True if the client has to read replies first. */
static bool process_input(struct session *session)
{
	size_t used = 0, step = 1;

	while (used < session->input_length && step > 0 && session->state != STATE_WAIT &&
	       session->output_length < OUTPUT_MAX && !session->closing) {
		char *data = session->input + used;
		size_t length = session->input_length - used;

		step = session->state == STATE_DATA ? on_message(session, data, length)
						    : on_line(session, data, length);
		used += step;
	}
	session->input_length -= used;
	memmove(session->input, session->input + used, session->input_length);
	return session->output_length >= OUTPUT_MAX;
}

/* Processes the input, sends, and chooses the next events. May free the session. */
static void go_on(struct session *session)
{
	bool full;

	do {
		full = process_input(session);
		write_output(session);
	} while (full && session->output_length < OUTPUT_MAX && !session->closing);
	if (session->closing) {
		destroy(session);
		return;
	}
	session->connection.watch.events = session->output_length > 0 ? POLLOUT : 0;
	if (session->input_length < INPUT_SIZE)
		session->connection.watch.events |= POLLIN;
}

static void on_session_ready(void *context, short revents)
{
	struct session *session = context;
	ssize_t length;

	if ((revents & ~POLLOUT) != 0 || revents == 0) {
		length = recv(session->connection.watch.fd, session->input + session->input_length,
			      INPUT_SIZE - session->input_length, 0);
		if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
			destroy(session);
			return;
		}
		if (length > 0)
			session->input_length += (size_t)length;
	}
	go_on(session);
}

static void begin_session(void *context, int fd)
{
	struct lmtp_server *server = context;
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		close(fd);
		return;
	}
	session->server = server;
	spool_init(&session->spool);
	if (!connection_open(&session->connection, &server->connections, fd, on_session_ready,
			     session)) {
		free(session);
		return;
	}
	reply(session, "220 chatmail-transport LMTP");
	go_on(session);
}

struct lmtp_server *lmtp_server_new(struct delivery_world *world, int listener,
				    size_t max_message_bytes)
{
	struct lmtp_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->world = world;
	server->max_message_bytes = max_message_bytes;
	if (!connections_listen(&server->connections, world->loop, listener, LMTP_SESSIONS_MAX,
				begin_session, server)) {
		free(server);
		return NULL;
	}
	return server;
}

void lmtp_server_stop(struct lmtp_server *server)
{
	connections_stop(&server->connections);
}

size_t lmtp_server_busy(const struct lmtp_server *server)
{
	return server->busy;
}

void lmtp_server_free(struct lmtp_server **server)
{
	if (*server == NULL)
		return;
	connections_close(&(*server)->connections, destroy_connection);
	free(*server);
	*server = NULL;
}
