/*
 * worker_wakeup - wake libmilter's workers while some of them wait for the DNS
 *
 * Debian builds libmilter with a pool of worker threads (_FFR_WORKERS_POOL). It starts another
 * one when Postfix has sent something and no worker is idle; but one that was woken a moment ago
 * counts as idle until it runs. If two sessions become ready at that moment, the second waits
 * until a worker finishes, which takes seconds if all wait for a slow name server. A new
 * connection makes the pool check again, so the program connects to itself now and then while a
 * session waits. A libmilter with a thread for each connection is not affected.
 */
#ifndef CM_WORKER_WAKEUP_H
#define CM_WORKER_WAKEUP_H

#include <stdbool.h>
#include <sys/socket.h>

#include "error.h"

/* A socket's address of any family. */
struct cm_worker_wakeup_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* Connects to it and closes the connection. True if a process listens. */
bool cm_worker_wakeup_knock(const struct cm_worker_wakeup_address *address);

/* address: that of this program's socket; must never be freed. False with err filled on
   failure. */
bool cm_worker_wakeup_start(const struct cm_worker_wakeup_address *address, struct cm_error *err);

/* Call these before and after this thread waits for the DNS. */
void cm_worker_wakeup_wait_begin(void);
void cm_worker_wakeup_wait_end(void);

#endif
