#include "socketmap.h"

#include "connections.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "peer_address.h"

/* A request is a netstring of "NAME ADDRESS"; an address has at most 320 bytes (RFC 5321). The
   digits of its length and the two signs around it take NETSTRING_MAX bytes at most. */
#define REQUEST_MAX   1000
#define LENGTH_DIGITS 7
#define NETSTRING_MAX 16
#define SESSIONS_MAX  64
/* Longest path of a link, with its NUL. */
#define PATH_SIZE 400
/* Any client of Postfix can name domains, and each link costs an inode. */
#define LINKS_MAX 10000

struct session {
	struct connection connection; /* first: see destroy() */
	struct socketmap_server *server;
	char input[REQUEST_MAX];
	size_t length;
};

struct socketmap_server {
	struct delivery_world *world;
	struct connections connections;
	char *directory, *lmtp_socket;
	size_t links;
	enum cm_outbound outbound;
	struct cm_federation *federation;
	struct cm_stats *stats;
};

static void destroy(struct connection *connection)
{
	connection_close(connection);
	free(connection);
}

/* Replies are short and Postfix waits for each, so a socket that does not accept one is
   broken. */
static bool answer(struct session *session, const char *text)
{
	char netstring[PATH_SIZE + 64];
	int length = snprintf(netstring, sizeof(netstring), "%zu:%s,", strlen(text), text);

	return length > 0 && (size_t)length < sizeof(netstring) &&
	       send(session->connection.watch.fd, netstring, (size_t)length, MSG_NOSIGNAL) ==
		   length;
}

/* True if the domain's mail goes over HTTPS. */
static bool choose_https(struct socketmap_server *server, const char *domain)
{
	enum route route = route_find(server->world->routes, domain, cm_clock_seconds());

	if (server->outbound != CM_OUTBOUND_AUTO)
		return server->outbound == CM_OUTBOUND_HTTPS;
	if (route == ROUTE_UNKNOWN)
		delivery_probe(server->world, domain);
	return route == ROUTE_HTTPS;
}

/* Counts the links, or removes them: if Postfix is about to use one, the message waits for its
   next attempt. */
static void walk_links(struct socketmap_server *server, bool remove)
{
	DIR *directory = opendir(server->directory);
	const struct dirent *entry;

	if (directory == NULL)
		return;
	server->links = 0;
	while ((entry = readdir(directory)) != NULL) {
		if (!remove || unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			server->links++;
	}
	closedir(directory);
}

/* A link to the LMTP socket with the domain's name. */
static bool answer_https(struct session *session, const char *domain)
{
	struct socketmap_server *server = session->server;
	char path[PATH_SIZE], text[PATH_SIZE + 32];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", server->directory, domain) >=
	    sizeof(path))
		return answer(session, "NOTFOUND ");
	if (server->links >= LINKS_MAX)
		walk_links(server, true);
	if (symlink(server->lmtp_socket, path) == 0)
		server->links++;
	else if (errno != EEXIST)
		return answer(session, "TEMP cannot create a link to the socket");
	snprintf(text, sizeof(text), "OK chatmail:unix:%s", path);
	return answer(session, text);
}

static bool is_private_literal(const struct socketmap_server *server, const char *domain)
{
	char address[INET6_ADDRSTRLEN];

	return !server->world->private_peers && peer_address_read_literal(domain, address) &&
	       !peer_address_allowed(address);
}

static bool look_up(struct session *session, const char *address)
{
	struct socketmap_server *server = session->server;
	char domain[ROUTE_DOMAIN_SIZE], text[ROUTE_DOMAIN_SIZE + 64];

	if (!route_read_domain(address, domain))
		return answer(session, "NOTFOUND ");
	if (!cm_federation_allows(server->federation, domain)) {
		cm_stats_add(server->stats, CM_STAT_FEDERATION_LOOKUPS_REFUSED, 1);
		snprintf(text, sizeof(text), "OK error:5.7.1 %s%s", CM_FEDERATION_REPLY, domain);
		return answer(session, text);
	}
	if (is_private_literal(server, domain))
		return answer(session, "OK error:5.1.2 Not a public address");
	return choose_https(server, domain) ? answer_https(session, domain)
					    : answer(session, "NOTFOUND ");
}

/* Takes one request, "12:name address,", from the input. False if the session has to end. */
static bool take_request(struct session *session, bool *more_r)
{
	char *colon = memchr(session->input, ':', session->length), *end, *address;
	unsigned long size;
	size_t used;
	bool good;

	*more_r = false;
	if (colon == NULL)
		return session->length <= LENGTH_DIGITS;
	if (!isdigit((unsigned char)session->input[0]))
		return false;
	size = strtoul(session->input, &end, 10);
	if (end != colon || size > REQUEST_MAX - NETSTRING_MAX)
		return false;
	used = (size_t)(colon - session->input) + 1 + size + 1;
	if (session->length < used)
		return true;
	if (session->input[used - 1] != ',')
		return false;
	session->input[used - 1] = '\0';
	address = strchr(colon + 1, ' ');
	good = address != NULL && look_up(session, address + 1);
	session->length -= used;
	memmove(session->input, session->input + used, session->length);
	*more_r = session->length > 0;
	return good;
}

static void on_session_ready(void *context, short revents)
{
	struct session *session = context;
	ssize_t length = recv(session->connection.watch.fd, session->input + session->length,
			      sizeof(session->input) - session->length, 0);
	bool good = length > 0, more = good;

	(void)revents;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (good)
		session->length += (size_t)length;
	while (good && more)
		good = take_request(session, &more);
	if (!good || session->length == sizeof(session->input))
		destroy(&session->connection);
}

static void begin_session(void *context, int fd)
{
	struct socketmap_server *server = context;
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		close(fd);
		return;
	}
	session->server = server;
	if (!connection_open(&session->connection, &server->connections, fd, on_session_ready,
			     session))
		free(session);
}

struct socketmap_server *socketmap_server_new(struct delivery_world *world, int listener,
					      const struct socketmap_options *options,
					      struct cm_error *err)
{
	struct socketmap_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	server->world = world;
	server->outbound = options->outbound;
	server->federation = options->federation;
	server->stats = options->stats;
	server->directory = strdup(options->directory);
	server->lmtp_socket = strdup(options->lmtp_socket);
	if (mkdir(options->directory, 0755) != 0 && errno != EEXIST) {
		cm_error_set_errno(err, "%s: cannot be created", options->directory);
	} else if (server->directory == NULL || server->lmtp_socket == NULL ||
		   !connections_listen(&server->connections, world->loop, listener, SESSIONS_MAX,
				       begin_session, server)) {
		cm_error_set(err, "out of memory");
	} else {
		walk_links(server, false);
		return server;
	}
	free(server->directory);
	free(server->lmtp_socket);
	free(server);
	return NULL;
}

void socketmap_server_free(struct socketmap_server **server)
{
	if (*server == NULL)
		return;
	connections_close(&(*server)->connections, destroy);
	free((*server)->directory);
	free((*server)->lmtp_socket);
	free(*server);
	*server = NULL;
}
