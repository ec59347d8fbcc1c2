/*
 * libmicrohttpd calls answer() after the headers, again for each part of the body, and once more
 * when the request is complete; forget() at the end of the request; client_changed() when a
 * connection begins and ends.
 */
#include "server.h"

#include <assert.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "forwarded.h"
#include "invitation.h"

/* MHD_get_connection_info() and the call-backs have other return types before and after this
   version. */
static_assert(MHD_VERSION >= 0x00097002, "libmicrohttpd with enum MHD_Result");

#define TEXT_PLAIN "text/plain; charset=utf-8"

/* The number of times, of 20 ms each, that the end waits for replies: 70 seconds. */
#define STOP_WAITS 3500

/* Room for the names of a path's methods. */
#define ALLOW_SIZE 64

struct cm_httpd {
	struct MHD_Daemon *daemon;
	const struct cm_httpd_route *routes;
	const struct cm_httpd_context *context;
	struct cm_httpd_limits limits;
	struct cm_clients *clients;
};

/* One request in progress. */
struct exchange {
	const struct cm_httpd_route *route;
	char *body;
	size_t body_length;
	void *stream; /* of a route that streams */
};

/* Takes over the reply's texts. allow: NULL, or the methods of the path. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, struct cm_httpd_reply *reply,
				  const char *allow)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(reply->body_length, reply->body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result = MHD_NO;
	char seconds[16];

	if (response == NULL) {
		free(reply->body);
		goto out;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (allow != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	if (reply->location != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
	if (reply->retry_after > 0) {
		snprintf(seconds, sizeof(seconds), "%u", reply->retry_after);
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
out:
	free(reply->location);
	return result;
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned int status,
				  const char *text, const char *allow)
{
	struct cm_httpd_reply reply = {.status = status, .content_type = TEXT_PLAIN};

	reply.body = strdup(text);
	reply.body_length = reply.body == NULL ? 0 : strlen(text);
	return send_reply(connection, &reply, allow);
}

static bool method_fits(const char *wanted, const char *method)
{
	return strcmp(wanted, method) == 0 || (strcmp(wanted, MHD_HTTP_METHOD_GET) == 0 &&
					       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0);
}

/* The route of a path and method. NULL: allow has the methods of the path, or is empty. */
static const struct cm_httpd_route *find_route(const struct cm_httpd_route *routes,
					       const char *method, const char *path,
					       char allow[ALLOW_SIZE])
{
	size_t used = 0;

	allow[0] = '\0';
	for (; routes->path != NULL; routes++) {
		if (strcmp(routes->path, path) != 0)
			continue;
		if (method_fits(routes->method, method))
			return routes;
		snprintf(
		    allow + used, ALLOW_SIZE - used, "%s%s%s", used > 0 ? ", " : "", routes->method,
		    strcmp(routes->method, MHD_HTTP_METHOD_GET) == 0 ? ", " MHD_HTTP_METHOD_HEAD
								     : "");
		used = strlen(allow);
	}
	return NULL;
}

/* Keeps the last field of this name. */
static enum MHD_Result see_header(void *context, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	const char **forwarded = context;

	(void)kind;
	if (strcasecmp(name, "X-Forwarded-For") == 0)
		*forwarded = value != NULL ? value : "";
	return MHD_YES;
}

static size_t body_max_of(const struct cm_httpd *server, const struct cm_httpd_route *route)
{
	return route->stream != NULL ? (size_t)server->context->config->max_message_size
				     : route->body_max;
}

/* A request that announces a body over the limit is refused before the body. */
static bool announces_too_much(struct MHD_Connection *connection, size_t body_max)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text != NULL && strtoull(text, NULL, 10) > body_max;
}

static enum MHD_Result see_envelope(void *context, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct cm_httpd_envelope *envelope = context;

	(void)kind;
	if (value == NULL)
		return MHD_YES;
	if (strcasecmp(name, "X-MAIL-FROM") == 0)
		envelope->sender = value;
	else if (strcasecmp(name, "X-MAIL-TO") == 0 &&
		 envelope->recipient_count++ < CM_HTTPD_RECIPIENTS_MAX)
		envelope->recipients[envelope->recipient_count - 1] = value;
	return MHD_YES;
}

/* The client: the peer, and the field of a proxy; both may be NULL. */
static const struct sockaddr *find_peer(struct MHD_Connection *connection, const char **field_r)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	*field_r = NULL;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, field_r);
	return info != NULL ? info->client_addr : NULL;
}

static struct cm_client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* False: the route refused, and a reply was sent, with *result_r. */
static bool begin_stream(const struct cm_httpd *server, struct MHD_Connection *connection,
			 struct exchange *exchange, enum MHD_Result *result_r)
{
	struct cm_httpd_reply reply = {.status = MHD_HTTP_OK, .content_type = TEXT_PLAIN};
	struct cm_httpd_envelope *envelope;
	const char *forwarded;
	const struct sockaddr *peer = find_peer(connection, &forwarded);
	const struct cm_source source = cm_httpd_source(peer, forwarded);

	if (!cm_clients_admit(server->clients, client_of(connection), &source)) {
		*result_r = send_error(connection, MHD_HTTP_TOO_MANY_REQUESTS,
				       "too many requests at a time\n", NULL);
		return false;
	}
	*result_r = MHD_NO;
	envelope = calloc(1, sizeof(*envelope));
	if (envelope == NULL)
		return false;
	cm_httpd_client_address(peer, forwarded, envelope->peer);
	envelope->sender = "";
	MHD_get_connection_values(connection, MHD_HEADER_KIND, see_envelope, envelope);
	exchange->stream = exchange->route->stream->begin(server->context, envelope, &reply);
	free(envelope);
	if (exchange->stream != NULL)
		return true;
	*result_r = send_reply(connection, &reply, NULL);
	return false;
}

static enum MHD_Result begin(const struct cm_httpd *server, struct MHD_Connection *connection,
			     const char *method, const char *path, void **state)
{
	struct exchange *exchange;
	char allow[ALLOW_SIZE];
	const struct cm_httpd_route *route = find_route(server->routes, method, path, allow);
	enum MHD_Result result;

	if (route == NULL && allow[0] != '\0')
		return send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed\n",
				  allow);
	if (route == NULL)
		return send_error(connection, MHD_HTTP_NOT_FOUND, "not found\n", NULL);
	if (announces_too_much(connection, body_max_of(server, route)))
		return send_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, "request too large\n",
				  NULL);
	exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL)
		return MHD_NO;
	exchange->route = route;
	if (route->stream != NULL && !begin_stream(server, connection, exchange, &result)) {
		free(exchange);
		return result;
	}
	*state = exchange;
	return MHD_YES;
}

/* False: the body exceeds the route's limit, or out of memory. */
static bool append(const struct cm_httpd *server, struct exchange *exchange, const char *data,
		   size_t length)
{
	char *grown;

	if (length > body_max_of(server, exchange->route) - exchange->body_length)
		return false;
	if (exchange->stream != NULL) {
		exchange->body_length += length;
		exchange->route->stream->data(exchange->stream, data, length);
		return true;
	}
	grown = realloc(exchange->body, exchange->body_length + length);
	if (grown == NULL)
		return false;
	memcpy(grown + exchange->body_length, data, length);
	exchange->body = grown;
	exchange->body_length += length;
	return true;
}

/* Keeps the first "t=TOKEN" or bare "TOKEN" that has the form of a token, otherwise the first of
   any form. */
static enum MHD_Result see_argument(void *context, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	const char **token = context, *found = NULL;

	(void)kind;
	if (strcmp(name, "t") == 0)
		found = value;
	else if (value == NULL || value[0] == '\0')
		found = name;
	if (found == NULL || strlen(found) > CM_HTTPD_VALUE_MAX)
		return MHD_YES;
	if ((*token)[0] == '\0' || cm_invitation_token_valid(found))
		*token = found;
	return cm_invitation_token_valid(found) ? MHD_NO : MHD_YES;
}

/* Browsers say so; programs send no such field. */
static bool is_cross_site(struct MHD_Connection *connection)
{
	const char *site =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site");

	return site != NULL && strcmp(site, "cross-site") == 0;
}

/* A peer that has given up meanwhile sends its message another way, or once more. */
static enum MHD_Result finish_stream(struct MHD_Connection *connection, struct exchange *exchange)
{
	struct cm_httpd_reply reply = {.status = MHD_HTTP_OK, .content_type = TEXT_PLAIN};

	if (!cm_clients_waits(client_of(connection)))
		return MHD_NO;
	exchange->route->stream->end(exchange->stream, &reply);
	exchange->stream = NULL;
	return send_reply(connection, &reply, NULL);
}

static enum MHD_Result finish(const struct cm_httpd *server, struct MHD_Connection *connection,
			      const struct exchange *exchange)
{
	struct cm_httpd_request request = {exchange->body, exchange->body_length, .host = "",
					   .token = ""};
	struct cm_httpd_reply reply = {.status = MHD_HTTP_OK, .content_type = TEXT_PLAIN};
	const struct sockaddr *peer;
	const char *forwarded,
	    *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	if (host != NULL)
		request.host = host;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, see_argument, &request.token);
	peer = find_peer(connection, &forwarded);
	request.source = cm_httpd_source(peer, forwarded);
	request.cross_site = is_cross_site(connection);
	exchange->route->handle(server->context, &request, &reply);
	return send_reply(connection, &reply, NULL);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *data,
			      size_t *length, void **state)
{
	struct cm_httpd *server = context;
	struct exchange *exchange = *state;

	(void)version;
	if (exchange == NULL)
		return begin(server, connection, method, path, state);
	if (*length == 0 && !cm_clients_complete(server->clients, client_of(connection)))
		return MHD_NO;
	if (*length == 0)
		return exchange->stream != NULL ? finish_stream(connection, exchange)
						: finish(server, connection, exchange);
	/* A body of unannounced length: libmicrohttpd accepts no reply before its end, so
	   close the connection. */
	if (!append(server, exchange, data, *length))
		return MHD_NO;
	*length = 0;
	return MHD_YES;
}

static void forget(void *context, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;

	(void)context;
	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	if (exchange->stream != NULL)
		exchange->route->stream->cancel(exchange->stream);
	free(exchange->body);
	free(exchange);
	*state = NULL;
}

/* Paths are compared unchanged: there is no second spelling, and no NUL inside. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

static void client_changed(void *context, struct MHD_Connection *connection, void **state,
			   enum MHD_ConnectionNotificationCode code)
{
	const struct cm_httpd *server = context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*state = cm_clients_add(server->clients, info->connect_fd);
	} else {
		cm_clients_remove(server->clients, *state);
		*state = NULL;
	}
}

void cm_httpd_sweep(struct cm_httpd *server)
{
	cm_clients_sweep(server->clients);
}

struct cm_httpd *cm_httpd_start(int listen_fd, const struct cm_httpd_route *routes,
				const struct cm_httpd_context *context,
				const struct cm_httpd_limits *limits, struct cm_error *err)
{
	struct cm_httpd *server = calloc(1, sizeof(*server));

	if (server != NULL)
		server->clients = cm_clients_new(limits->life_seconds, limits->per_client);
	if (server == NULL || server->clients == NULL) {
		free(server);
		cm_error_set(err, "out of memory");
		return NULL;
	}
	server->routes = routes;
	server->context = context;
	server->limits = *limits;
	server->daemon = MHD_start_daemon(
	    (limits->blocks
		 ? MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION
		 : MHD_USE_EPOLL_INTERNAL_THREAD) |
		MHD_USE_ITC,
	    0, NULL, NULL, answer, server, MHD_OPTION_LISTEN_SOCKET, listen_fd,
	    MHD_OPTION_CONNECTION_LIMIT, limits->connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    limits->header_bytes > 0 ? limits->header_bytes : (size_t)CM_HTTPD_HEADERS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, limits->idle_seconds, MHD_OPTION_THREAD_POOL_SIZE,
	    limits->threads, MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
	    MHD_OPTION_NOTIFY_CONNECTION, client_changed, server, MHD_OPTION_UNESCAPE_CALLBACK,
	    leave_escaped, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (server->daemon == NULL) {
		cm_error_set_errno(err, "cannot start the web server");
		cm_clients_free(&server->clients);
		free(server);
		return NULL;
	}
	return server;
}

/* Otherwise a client could not know that its request took effect: a peer would send its mail once
   more. */
static void finish_replies(struct cm_httpd *server)
{
	for (int i = 0; cm_clients_end(server->clients) > 0 && i < STOP_WAITS; i++)
		poll(NULL, 0, 20);
}

void cm_httpd_stop(struct cm_httpd **server)
{
	MHD_socket listener;

	if (server == NULL || *server == NULL)
		return;
	listener = MHD_quiesce_daemon((*server)->daemon);
	finish_replies(*server);
	MHD_stop_daemon((*server)->daemon);
	if (listener != MHD_INVALID_SOCKET)
		close(listener);
	cm_clients_free(&(*server)->clients);
	free(*server);
	*server = NULL;
}
