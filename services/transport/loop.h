/*
 * loop - one thread's event loop: descriptors of our own beside libcurl's transfers
 */
#ifndef TRANSPORT_LOOP_H
#define TRANSPORT_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct loop;

/* A descriptor is ready: poll(2)'s revents. The call may add and remove any watch. */
typedef void loop_ready_fn(void *context, short revents);

/* Owned by the caller, who removes it before closing the descriptor. */
struct loop_watch {
	int fd;
	short events; /* POLLIN, POLLOUT; may change at any time */
	loop_ready_fn *ready;
	void *context;
	size_t slot; /* the loop's */
};

/* NULL if out of memory. */
struct loop *loop_new(void);
void loop_free(struct loop **loop);

CURLM *loop_curl(struct loop *loop);

/* False if out of memory. */
bool loop_add(struct loop *loop, struct loop_watch *watch);
/* A watch that was never added, or was removed, is left alone. */
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Waits at most timeout_ms and calls the functions of ready watches. libcurl's transfers make
   progress. */
void loop_run(struct loop *loop, int timeout_ms);

#endif
