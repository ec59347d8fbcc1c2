/*
 * listener - the socket to which Postfix connects, and libmilter's loop
 *
 * libmilter has a thread of its own that waits for SIGHUP, SIGTERM and SIGINT and stops the
 * filter at each of them; SIGINT even interrupts messages. So its loop runs in a second thread
 * here, its signal thread gets no signals (sigwait() in listener.c), and the main thread handles
 * them (daemon.h).
 */
#ifndef CM_LISTENER_H
#define CM_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

struct cm_listener_options {
	const char *socket; /* PATH, unix:PATH, inet:PORT@HOST or inet6:PORT@HOST */
	const char *user;   /* owner of a Unix socket, if root opens it; NULL: the opener */
	const char *group;  /* group of a Unix socket; NULL: the opener's */
	mode_t mode;        /* its permissions */
};

/* The path of a Unix socket, or NULL for an Internet one. */
const char *cm_listener_path(const char *socket);

/* Opens the socket and listens. Replaces a Unix socket on which no program listens. options
   must never be freed. False with err filled on failure. */
bool cm_listener_open(const struct cm_listener_options *options, struct cm_error *err);

/* Serves connections in threads of libmilter, until the program ends. on_end is called in
   another thread if libmilter fails. */
bool cm_listener_start(void (*on_end)(void), struct cm_error *err);

/* True if libmilter replies on the socket within the time. */
bool cm_listener_answers(int milliseconds);

/* Unlinks the socket so that no new client connects. Sessions continue: libmilter's own way to
   stop would cut off those that wait for Postfix (its pool of workers ends at once). */
void cm_listener_close(void);

#endif
