/*
 * worker_wakeup - wakes libmilter's workers while some of them wait for the DNS
 *
 * Debian builds libmilter with a pool of worker threads (_FFR_WORKERS_POOL). It starts another one
 * when Postfix has sent something and no worker is idle; but one that was woken a moment ago counts
 * as idle until it runs. Of two sessions that are ready in that moment the second stays behind
 * until any worker has finished what it does, and if all wait for a slow name server, that takes
 * seconds. A new connection makes the pool look again, so we connect to ourselves now and then as
 * long as somebody waits. A libmilter with a thread for each connection does not mind.
 */
#ifndef CM_WORKER_WAKEUP_H
#define CM_WORKER_WAKEUP_H

#include <stdbool.h>
#include <sys/socket.h>

#include "error.h"

/* A socket's address, of whatever family. */
struct cm_worker_wakeup_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* Connects to it and hangs up. True if somebody listens. */
bool cm_worker_wakeup_knock(const struct cm_worker_wakeup_address *address);

/* address: where we listen ourselves; borrowed for good. False with err filled on failure. */
bool cm_worker_wakeup_start(const struct cm_worker_wakeup_address *address, struct cm_error *err);

/* This thread is about to wait for the DNS, and has done so. */
void cm_worker_wakeup_wait_begin(void);
void cm_worker_wakeup_wait_end(void);

#endif
