#include "connections.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void listen_while_room(struct connections *connections)
{
	bool room = connections->count < connections->most;

	connections->listener.events = room && !connections->stopped ? POLLIN : 0;
}

static void on_connection(void *context, short revents)
{
	struct connections *connections = context;
	int fd = accept4(connections->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd >= 0)
		connections->accepted(connections->server, fd);
}

bool connections_listen(struct connections *connections, struct loop *loop, int listener,
			size_t most, connection_accepted_fn *accepted, void *server)
{
	*connections = (struct connections){
	    .loop = loop,
	    .listener =
		{
		    .fd = listener,
		    .events = POLLIN,
		    .ready = on_connection,
		    .context = connections,
		},
	    .accepted = accepted,
	    .server = server,
	    .most = most,
	};
	return loop_add(loop, &connections->listener);
}

void connections_stop(struct connections *connections)
{
	connections->stopped = true;
	listen_while_room(connections);
}

void connections_close(struct connections *connections, connection_destroy_fn *destroy)
{
	while (connections->first != NULL)
		destroy(connections->first);
	loop_remove(connections->loop, &connections->listener);
	close(connections->listener.fd);
}

bool connection_open(struct connection *connection, struct connections *connections, int fd,
		     loop_ready_fn *ready, void *session)
{
	*connection = (struct connection){
	    .list = connections,
	    .next = connections->first,
	    .watch = {.fd = fd, .events = POLLIN, .ready = ready, .context = session},
	};
	if (!loop_add(connections->loop, &connection->watch)) {
		close(fd);
		return false;
	}
	if (connection->next != NULL)
		connection->next->previous = connection;
	connections->first = connection;
	connections->count++;
	listen_while_room(connections);
	return true;
}

void connection_close(struct connection *connection)
{
	struct connections *connections = connection->list;

	loop_remove(connections->loop, &connection->watch);
	close(connection->watch.fd);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		connections->first = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	connections->count--;
	listen_while_room(connections);
}
