/*
 * connections - the open connections of a server, bounded in number
 *
 * A server's session holds a struct connection. At the bound, further ones wait in the listening
 * socket's queue.
 */
#ifndef TRANSPORT_CONNECTIONS_H
#define TRANSPORT_CONNECTIONS_H

#include "loop.h"

struct connections;

struct connection {
	struct connections *list;
	struct connection *next, *previous;
	struct loop_watch watch; /* its context is the server's session */
};

/* A client has connected: the callee takes over the descriptor, usually with
   connection_open(). */
typedef void connection_accepted_fn(void *server, int fd);
/* Ends the session to which this connection belongs. */
typedef void connection_destroy_fn(struct connection *connection);

struct connections {
	struct loop *loop;
	struct loop_watch listener;
	connection_accepted_fn *accepted;
	void *server;
	size_t most, count;
	bool stopped;
	struct connection *first;
};

/* Begins to listen with `listener`, which it takes over on success. most: maximum number open
   at one time. False if out of memory. */
bool connections_listen(struct connections *connections, struct loop *loop, int listener,
			size_t most, connection_accepted_fn *accepted, void *server);
/* Stops accepting connections. */
void connections_stop(struct connections *connections);
/* Ends all sessions and closes the listening socket. */
void connections_close(struct connections *connections, connection_destroy_fn *destroy);

/* Waits for input. False if out of memory: fd is closed, and the caller frees session. */
bool connection_open(struct connection *connection, struct connections *connections, int fd,
		     loop_ready_fn *ready, void *session);
/* Closes the descriptor. */
void connection_close(struct connection *connection);

#endif
