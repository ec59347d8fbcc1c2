#include "worker_wakeup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* The period of the wake-ups, and the number of sessions that they allow for. */
#define PERIOD_MILLISECONDS 50
#define KNOCKS_MAX          8U

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t somebody_waits = PTHREAD_COND_INITIALIZER;
static unsigned int waiting;
static const struct cm_worker_wakeup_address *own_address;

bool cm_worker_wakeup_knock(const struct cm_worker_wakeup_address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered = false;

	if (fd >= 0) {
		answered =
		    connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0;
		close(fd);
	}
	return answered;
}

static void *run(void *unused)
{
	unsigned int knocks;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (waiting == 0)
			pthread_cond_wait(&somebody_waits, &lock);
		pthread_mutex_unlock(&lock);
		/* Most replies are cached: after this time usually no thread waits any more. */
		poll(NULL, 0, PERIOD_MILLISECONDS);
		pthread_mutex_lock(&lock);
		knocks = waiting < KNOCKS_MAX ? waiting : KNOCKS_MAX;
		pthread_mutex_unlock(&lock);
		while (knocks-- > 0)
			cm_worker_wakeup_knock(own_address);
	}
	return NULL;
}

bool cm_worker_wakeup_start(const struct cm_worker_wakeup_address *address, struct cm_error *err)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	own_address = address;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0) {
		pthread_detach(thread);
		return true;
	}
	errno = error;
	cm_error_set_errno(err, "cannot start a thread");
	return false;
}

void cm_worker_wakeup_wait_begin(void)
{
	pthread_mutex_lock(&lock);
	if (waiting++ == 0)
		pthread_cond_signal(&somebody_waits);
	pthread_mutex_unlock(&lock);
}

void cm_worker_wakeup_wait_end(void)
{
	pthread_mutex_lock(&lock);
	waiting--;
	pthread_mutex_unlock(&lock);
}
