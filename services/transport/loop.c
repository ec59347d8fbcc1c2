#include "loop.h"

#include <poll.h>
#include <stdlib.h>

struct loop {
	CURLM *curl;
	struct loop_watch **watches; /* NULL where one was removed */
	struct curl_waitfd *fds;     /* of the same size */
	size_t count, room;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->curl = curl_multi_init();
	if (loop->curl == NULL) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop **loop)
{
	if (*loop == NULL)
		return;
	curl_multi_cleanup((*loop)->curl);
	free((*loop)->watches);
	free((*loop)->fds);
	free(*loop);
	*loop = NULL;
}

CURLM *loop_curl(struct loop *loop)
{
	return loop->curl;
}

static bool grow(struct loop *loop)
{
	size_t room = loop->room == 0 ? 64 : 2 * loop->room;
	struct loop_watch **watches = reallocarray(loop->watches, room, sizeof(*watches));
	struct curl_waitfd *fds;

	if (watches == NULL)
		return false;
	loop->watches = watches;
	fds = reallocarray(loop->fds, room, sizeof(*fds));
	if (fds == NULL)
		return false;
	loop->fds = fds;
	loop->room = room;
	return true;
}

bool loop_add(struct loop *loop, struct loop_watch *watch)
{
	if (loop->count == loop->room && !grow(loop))
		return false;
	watch->slot = loop->count++;
	loop->watches[watch->slot] = watch;
	return true;
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
	if (watch->slot < loop->count && loop->watches[watch->slot] == watch)
		loop->watches[watch->slot] = NULL;
}

static void compact(struct loop *loop)
{
	size_t count = 0;

	for (size_t i = 0; i < loop->count; i++) {
		if (loop->watches[i] == NULL)
			continue;
		loop->watches[count] = loop->watches[i];
		loop->watches[count]->slot = count;
		count++;
	}
	loop->count = count;
}

/* libcurl's bits differ from poll's. */
static short to_curl(short events)
{
	return (short)((events & POLLIN ? CURL_WAIT_POLLIN : 0) |
		       (events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
}

static short from_curl(short events)
{
	return (short)((events & CURL_WAIT_POLLIN ? POLLIN : 0) |
		       (events & CURL_WAIT_POLLOUT ? POLLOUT : 0));
}

void loop_run(struct loop *loop, int timeout_ms)
{
	size_t count;
	int running;

	compact(loop);
	count = loop->count;
	for (size_t i = 0; i < count; i++)
		loop->fds[i] = (struct curl_waitfd){
		    .fd = loop->watches[i]->fd,
		    .events = to_curl(loop->watches[i]->events),
		};
	curl_multi_poll(loop->curl, loop->fds, (unsigned int)count, timeout_ms, NULL);
	for (size_t i = 0; i < count; i++) {
		struct loop_watch *watch = loop->watches[i];

		if (watch != NULL && loop->fds[i].revents != 0)
			watch->ready(watch->context, from_curl(loop->fds[i].revents));
	}
	curl_multi_perform(loop->curl, &running);
}
