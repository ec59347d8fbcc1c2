/*
 * libunbound resolves in its own thread (ub_ctx_async) and signals replies by a descriptor; our
 * thread then runs its call-backs. The caller and the call-back share a question: the last one to
 * release it frees it. A question is not cancelled when its caller leaves, because libunbound
 * would process it anyway; it counts until its reply arrives.
 */
#include "resolver.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <unbound.h>

#include "dns_answer.h"

struct cm_resolver {
	struct ub_ctx *context;
	pthread_t thread;
	int stop_fd;
	pthread_mutex_t lock; /* of the list */
	struct cm_question *under_way;
};

struct cm_question {
	struct cm_resolver *resolver;
	struct cm_question *previous, *next; /* under way */
	const char *zone;                    /* the end of name */
	uint64_t client;                     /* 0: not counted */
	bool first;                          /* no other question for the name was in progress */

	pthread_mutex_t lock;
	pthread_cond_t answered_signal;
	bool answered;
	bool abandoned; /* the caller has left: the call-back frees it */
	struct cm_dns_answer answer;
	char name[];
};

/* Differences from libunbound's defaults, with reasons. */
static const struct {
	const char *name;
	const char *value;
} options[] = {
    {"module-config:", "iterator"},      /* the resolver that we query validates */
    {"num-queries-per-thread:", "4096"}, /* slow servers must not displace queries to others */
    {"outgoing-range:", "1024"},         /* likewise: queries pending at a time */
    {"outgoing-num-tcp:", "32"},         /* keys of 4096 bits do not fit into small packets */
    {"msg-cache-size:", "8m"},           /* the keys of every peer */
    {"rrset-cache-size:", "16m"},
    /* Do not remember that a name server was silent. The only server queried is the relay's
       resolver, which is silent about names whose own servers are. If libunbound marked it as
       down, it would send it only one query at a time, for any name. */
    {"infra-host-ttl:", "0"},
    {"infra-keep-probing:", "yes"},
    /* A new key works at once, even if an earlier lookup found none. */
    {"cache-max-negative-ttl:", "0"},
    {"unblock-lan-zones:", "yes"}, /* libunbound itself answers no names */
    {"local-zone:", "test. transparent"},
    {"local-zone:", "invalid. transparent"},
};

static void destroy(struct cm_question *question)
{
	cm_dns_answer_free(&question->answer);
	pthread_cond_destroy(&question->answered_signal);
	pthread_mutex_destroy(&question->lock);
	free(question);
}

/* The last two labels: the owner of a domain can have any number of names below it. */
static const char *zone_of(const char *name)
{
	const char *zone = name + strlen(name);
	unsigned int dots = 0;

	while (zone > name && (zone[-1] != '.' || ++dots < 2))
		zone--;
	return zone;
}

/* Registers the question, unless too many are pending. libunbound merges questions for the
   same name, so they count once. */
static bool enter(struct cm_resolver *resolver, struct cm_question *question)
{
	unsigned int of_all = 0, of_zone = 0, of_client = 0;
	bool good;

	question->first = true;
	pthread_mutex_lock(&resolver->lock);
	for (const struct cm_question *other = resolver->under_way; other != NULL;
	     other = other->next) {
		if (strcasecmp(other->name, question->name) == 0)
			question->first = false;
		if (!other->first)
			continue;
		of_all++;
		of_zone += strcasecmp(other->zone, question->zone) == 0;
		of_client += other->client == question->client;
	}
	good = !question->first ||
	       (of_all < CM_RESOLVER_UNDER_WAY_MAX && of_zone < CM_RESOLVER_ZONE_MAX &&
		(question->client == 0 || of_client < CM_RESOLVER_CLIENT_MAX));
	if (good) {
		question->next = resolver->under_way;
		if (question->next != NULL)
			question->next->previous = question;
		resolver->under_way = question;
	}
	pthread_mutex_unlock(&resolver->lock);
	return good;
}

static void leave(struct cm_resolver *resolver, struct cm_question *question)
{
	pthread_mutex_lock(&resolver->lock);
	if (question->next != NULL)
		question->next->previous = question->previous;
	if (question->previous != NULL)
		question->previous->next = question->next;
	else
		resolver->under_way = question->next;
	pthread_mutex_unlock(&resolver->lock);
}

/* libunbound's call-back, in our thread. */
static void on_answer(void *context, int error, struct ub_result *result)
{
	struct cm_question *question = context;
	bool abandoned;

	leave(question->resolver, question);
	pthread_mutex_lock(&question->lock);
	cm_dns_answer_read(error, result, &question->answer);
	question->answered = true;
	abandoned = question->abandoned;
	pthread_cond_signal(&question->answered_signal);
	pthread_mutex_unlock(&question->lock);
	ub_resolve_free(result);
	if (abandoned)
		destroy(question);
}

static void *run(void *context)
{
	struct cm_resolver *resolver = context;
	struct pollfd fds[] = {
	    {.fd = ub_fd(resolver->context), .events = POLLIN},
	    {.fd = resolver->stop_fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents != 0)
			return NULL;
		if (fds[0].revents != 0)
			ub_process(resolver->context);
	}
}

/* Starts our thread with all signals blocked, so that the main thread gets them. */
static int start_thread(struct cm_resolver *resolver)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&resolver->thread, NULL, run, resolver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static bool configure(struct ub_ctx *context, const char *server, struct cm_error *err)
{
	int error;

	/* libunbound would print the names that it looks up to standard error. */
	ub_ctx_debugout(context, NULL);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		error = ub_ctx_set_option(context, options[i].name, options[i].value);
		if (error != 0) {
			cm_error_set(err, "libunbound rejects %s %s: %s", options[i].name,
				     options[i].value, ub_strerror(error));
			return false;
		}
	}
	if (*server != '\0') {
		error = ub_ctx_set_fwd(context, server);
		if (error != 0)
			cm_error_set(err, "resolver = %s: not ADDR or ADDR@PORT", server);
	} else {
		error = ub_ctx_resolvconf(context, NULL);
		if (error != 0)
			cm_error_set_errno(err, "/etc/resolv.conf: cannot be read");
	}
	if (error == 0) {
		error = ub_ctx_async(context, 1);
		if (error != 0)
			cm_error_set(err, "libunbound: %s", ub_strerror(error));
	}
	return error == 0;
}

struct ub_ctx *cm_resolver_context(const char *server, struct cm_error *err)
{
	struct ub_ctx *context = ub_ctx_create();

	if (context == NULL) {
		cm_error_set_errno(err, "cannot start the resolver");
		return NULL;
	}
	if (!configure(context, server, err)) {
		ub_ctx_delete(context);
		return NULL;
	}
	return context;
}

struct cm_resolver *cm_resolver_new(const char *server, struct cm_error *err)
{
	struct cm_resolver *resolver = calloc(1, sizeof(*resolver));
	int error;

	if (resolver == NULL)
		goto fail_with_errno;
	pthread_mutex_init(&resolver->lock, NULL);
	resolver->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (resolver->stop_fd < 0)
		goto fail_with_errno;
	resolver->context = cm_resolver_context(server, err);
	if (resolver->context == NULL)
		goto fail;
	error = start_thread(resolver);
	if (error == 0)
		return resolver;
	errno = error;
fail_with_errno:
	cm_error_set_errno(err, "cannot start the resolver");
fail:
	if (resolver != NULL) {
		if (resolver->context != NULL)
			ub_ctx_delete(resolver->context);
		if (resolver->stop_fd >= 0)
			close(resolver->stop_fd);
		pthread_mutex_destroy(&resolver->lock);
		free(resolver);
	}
	return NULL;
}

void cm_resolver_free(struct cm_resolver **resolver_p)
{
	struct cm_resolver *resolver = *resolver_p;
	struct cm_question *abandoned, *next;
	const uint64_t one = 1;

	*resolver_p = NULL;
	if (resolver == NULL)
		return;
	if (write(resolver->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(resolver->thread, NULL);
	ub_ctx_delete(resolver->context);
	for (abandoned = resolver->under_way; abandoned != NULL; abandoned = next) {
		next = abandoned->next;
		destroy(abandoned);
	}
	close(resolver->stop_fd);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

struct cm_question *cm_question_start(struct cm_resolver *resolver, const char *name,
				      uint64_t client)
{
	size_t size = strlen(name) + 1;
	struct cm_question *question = calloc(1, sizeof(*question) + size);
	pthread_condattr_t attributes;

	if (question == NULL)
		return NULL;
	question->resolver = resolver;
	memcpy(question->name, name, size);
	question->zone = zone_of(question->name);
	question->client = client;
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&question->answered_signal, &attributes);
	pthread_condattr_destroy(&attributes);
	if (enter(resolver, question)) {
		if (ub_resolve_async(resolver->context, name, ns_t_txt, ns_c_in, question,
				     on_answer, NULL) == 0)
			return question;
		leave(resolver, question);
	}
	destroy(question);
	return NULL;
}

enum cm_resolver_status cm_question_wait(struct cm_question *question,
					 const struct timespec *deadline)
{
	enum cm_resolver_status status = CM_RESOLVER_TROUBLE;

	if (question == NULL)
		return status;
	pthread_mutex_lock(&question->lock);
	while (!question->answered &&
	       pthread_cond_timedwait(&question->answered_signal, &question->lock, deadline) !=
		   ETIMEDOUT)
		;
	if (question->answered)
		status = question->answer.status;
	pthread_mutex_unlock(&question->lock);
	return status;
}

size_t cm_question_records(const struct cm_question *question)
{
	return question->answer.record_count;
}

const char *cm_question_record(const struct cm_question *question, size_t number, size_t *length_r)
{
	*length_r = question->answer.records[number].length;
	return question->answer.records[number].text;
}

void cm_question_free(struct cm_question **question)
{
	struct cm_question *one = *question;
	bool answered;

	if (one == NULL)
		return;
	*question = NULL;
	pthread_mutex_lock(&one->lock);
	answered = one->answered;
	one->abandoned = true;
	pthread_mutex_unlock(&one->lock);
	/* Not answered yet: from here on the call-back owns it. */
	if (answered)
		destroy(one);
}
