#include "clients.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"

/* For the reply once a request is complete. */
#define REPLY_SECONDS 150

struct cm_client {
	int fd;
	int64_t deadline; /* cm_clock_seconds() */
	bool admitted, complete, ended;
	struct cm_source source; /* once admitted */
	struct cm_client *next;
};

struct cm_clients {
	unsigned int life_seconds, share;
	pthread_mutex_t lock;
	struct cm_client *first;
};

struct cm_clients *cm_clients_new(unsigned int life_seconds, unsigned int share)
{
	struct cm_clients *clients = calloc(1, sizeof(*clients));

	if (clients == NULL)
		return NULL;
	clients->life_seconds = life_seconds;
	clients->share = share;
	pthread_mutex_init(&clients->lock, NULL);
	return clients;
}

void cm_clients_free(struct cm_clients **clients)
{
	if (*clients == NULL)
		return;
	pthread_mutex_destroy(&(*clients)->lock);
	free(*clients);
	*clients = NULL;
}

struct cm_client *cm_clients_add(struct cm_clients *clients, int fd)
{
	struct cm_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->fd = fd;
	client->deadline = cm_clock_seconds() + clients->life_seconds;
	pthread_mutex_lock(&clients->lock);
	client->next = clients->first;
	clients->first = client;
	pthread_mutex_unlock(&clients->lock);
	return client;
}

void cm_clients_remove(struct cm_clients *clients, struct cm_client *client)
{
	struct cm_client **link;

	pthread_mutex_lock(&clients->lock);
	for (link = &clients->first; *link != NULL; link = &(*link)->next) {
		if (*link == client) {
			*link = client->next;
			break;
		}
	}
	pthread_mutex_unlock(&clients->lock);
	free(client);
}

static bool is_same(const struct cm_source *one, const struct cm_source *other)
{
	return one->length == other->length && memcmp(one->bytes, other->bytes, one->length) == 0;
}

static unsigned int count_admitted(const struct cm_clients *clients, const struct cm_source *source)
{
	unsigned int count = 0;

	for (const struct cm_client *one = clients->first; one != NULL; one = one->next)
		count += one->admitted && is_same(&one->source, source);
	return count;
}

bool cm_clients_admit(struct cm_clients *clients, struct cm_client *client,
		      const struct cm_source *source)
{
	bool room;

	if (client == NULL)
		return true;
	pthread_mutex_lock(&clients->lock);
	room = clients->share == 0 || count_admitted(clients, source) < clients->share;
	client->source = *source;
	client->admitted = room;
	pthread_mutex_unlock(&clients->lock);
	return room;
}

bool cm_clients_complete(struct cm_clients *clients, struct cm_client *client)
{
	bool open;

	if (client == NULL)
		return true;
	pthread_mutex_lock(&clients->lock);
	open = !client->ended;
	client->complete = open;
	client->deadline = cm_clock_seconds() + REPLY_SECONDS;
	pthread_mutex_unlock(&clients->lock);
	return open;
}

bool cm_clients_waits(const struct cm_client *client)
{
	struct pollfd fd = {.events = POLLRDHUP};

	if (client == NULL)
		return true;
	fd.fd = client->fd;
	return poll(&fd, 1, 0) <= 0;
}

/* The descriptor is closed after cm_clients_remove(), so while the lock is held it belongs to this
   client. libmicrohttpd gets an end of file and closes it. */
static void end(struct cm_client *client)
{
	client->ended = true;
	shutdown(client->fd, SHUT_RDWR);
}

void cm_clients_sweep(struct cm_clients *clients)
{
	int64_t now = cm_clock_seconds();

	pthread_mutex_lock(&clients->lock);
	for (struct cm_client *client = clients->first; client != NULL; client = client->next) {
		if (client->deadline <= now)
			end(client);
	}
	pthread_mutex_unlock(&clients->lock);
}

unsigned int cm_clients_end(struct cm_clients *clients)
{
	unsigned int complete = 0;

	pthread_mutex_lock(&clients->lock);
	for (struct cm_client *client = clients->first; client != NULL; client = client->next) {
		if (client->complete)
			complete++;
		else
			end(client);
	}
	pthread_mutex_unlock(&clients->lock);
	return complete;
}
