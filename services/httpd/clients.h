/*
 * clients - the open connections of a server, the time that each has, and how many are one client's
 *
 * May be used by several threads.
 */
#ifndef CM_HTTPD_CLIENTS_H
#define CM_HTTPD_CLIENTS_H

#include <stdbool.h>

#include "registration_limits.h"

struct cm_clients;
/* One connection. */
struct cm_client;

/* life_seconds: the time until a request is complete. share: requests that one source may have
   admitted at a time; 0: any number. NULL if out of memory. */
struct cm_clients *cm_clients_new(unsigned int life_seconds, unsigned int share);
/* No connection may be left. NULL is fine. */
void cm_clients_free(struct cm_clients **clients);

/* A connection has begun, and ended: the descriptor stays open between the two. NULL if out of
   memory; the other functions accept that. */
struct cm_client *cm_clients_add(struct cm_clients *clients, int fd);
void cm_clients_remove(struct cm_clients *clients, struct cm_client *client);

/* False if the source has its share already. */
bool cm_clients_admit(struct cm_clients *clients, struct cm_client *client,
		      const struct cm_source *source);
/* The request is complete: the connection stays until its reply is sent. False if it was ended
   before: the request must have no effect. */
bool cm_clients_complete(struct cm_clients *clients, struct cm_client *client);

/* False if the client has closed its side: no proxy does so before it has the reply. */
bool cm_clients_waits(const struct cm_client *client);

/* Ends the connections that exceed their time. */
void cm_clients_sweep(struct cm_clients *clients);
/* Ends all connections but those whose request is complete. Returns the number of those. */
unsigned int cm_clients_end(struct cm_clients *clients);

#endif
