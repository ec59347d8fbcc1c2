/*
 * resolver - TXT records, asked through libunbound without blocking others
 *
 * libunbound resolves in a thread of its own (ub_ctx_async) and tells by a descriptor that answers
 * wait; our thread lets it call back. A question is shared by its asker and that call-back: who
 * lets go of it last frees it. ub_cancel() returns 0 exactly if the call-back will not come any
 * more.
 */
#include "resolver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <unbound.h>

#define TYPE_TXT   16
#define CLASS_IN   1
#define NO_ERROR   0
#define NAME_ERROR 3

struct cm_resolver {
	struct ub_ctx *context;
	pthread_t thread;
	int stop_fd;
};

struct record {
	char *text;
	size_t length;
};

struct cm_question {
	struct cm_resolver *resolver;
	pthread_mutex_t lock;
	pthread_cond_t answered_signal;
	bool answered;
	bool abandoned; /* the asker is gone: the call-back frees */
	int id;
	enum cm_resolver_status status;
	struct record records[CM_RESOLVER_RECORDS_MAX];
	size_t record_count;
};

/* What differs from libunbound's defaults, and why. */
static const struct {
	const char *name;
	const char *value;
} options[] = {
    {"module-config:", "iterator"},      /* whom we ask validates */
    {"num-queries-per-thread:", "4096"}, /* slow servers must not push others' questions out */
    {"outgoing-range:", "1024"},         /* likewise: questions under way at one time */
    {"outgoing-num-tcp:", "32"},         /* keys of 4096 bits do not fit into small packets */
    {"msg-cache-size:", "8m"},           /* the keys of every peer */
    {"rrset-cache-size:", "16m"},
    {"infra-host-ttl:", "30"}, /* a name server that was down is asked again soon */
    {"infra-keep-probing:", "yes"},
    {"unblock-lan-zones:", "yes"}, /* no names that libunbound answers itself */
    {"local-zone:", "test. transparent"},
    {"local-zone:", "invalid. transparent"},
};

/* Joins the character strings of one TXT record. False if its data is not a sequence of them. */
static bool read_record(const char *data, size_t length, struct record *record_r)
{
	char *text = malloc(length + 1);
	size_t text_length = 0;

	if (text == NULL)
		return false;
	for (size_t i = 0; i < length;) {
		size_t part = (unsigned char)data[i++];

		if (part > length - i) {
			free(text);
			return false;
		}
		memcpy(text + text_length, data + i, part);
		text_length += part;
		i += part;
	}
	record_r->text = text;
	record_r->length = text_length;
	return true;
}

static enum cm_resolver_status read_answer(struct cm_question *question, int error,
					   const struct ub_result *result)
{
	if (error != 0 || result == NULL)
		return CM_RESOLVER_TROUBLE;
	if (result->rcode == NAME_ERROR)
		return CM_RESOLVER_ABSENT;
	if (result->rcode != NO_ERROR || result->bogus)
		return CM_RESOLVER_TROUBLE;
	if (!result->havedata)
		return CM_RESOLVER_ABSENT;
	for (size_t i = 0;
	     result->data[i] != NULL && question->record_count < CM_RESOLVER_RECORDS_MAX; i++) {
		if (!read_record(result->data[i], (size_t)result->len[i],
				 &question->records[question->record_count]))
			return CM_RESOLVER_TROUBLE;
		question->record_count++;
	}
	return CM_RESOLVER_FOUND;
}

static void destroy(struct cm_question *question)
{
	for (size_t i = 0; i < question->record_count; i++)
		free(question->records[i].text);
	pthread_cond_destroy(&question->answered_signal);
	pthread_mutex_destroy(&question->lock);
	free(question);
}

/* libunbound's call-back, in our thread. */
static void on_answer(void *context, int error, struct ub_result *result)
{
	struct cm_question *question = context;
	bool abandoned;

	pthread_mutex_lock(&question->lock);
	question->status = read_answer(question, error, result);
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

/* Starts our thread with every signal blocked: they are the main thread's. */
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

	/* It would tell standard error whose names it was asked for. */
	ub_ctx_debugout(context, NULL);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		error = ub_ctx_set_option(context, options[i].name, options[i].value);
		if (error != 0) {
			cm_error_set(err, "libunbound refuses %s %s: %s", options[i].name,
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
			cm_error_set_errno(err, "cannot read /etc/resolv.conf");
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
	struct cm_resolver *resolver = calloc(1, sizeof *resolver);
	int error;

	if (resolver == NULL)
		goto no_memory;
	resolver->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (resolver->stop_fd < 0)
		goto no_memory;
	resolver->context = cm_resolver_context(server, err);
	if (resolver->context == NULL)
		goto fail;
	error = start_thread(resolver);
	if (error == 0)
		return resolver;
	errno = error;
no_memory:
	cm_error_set_errno(err, "cannot start the resolver");
fail:
	if (resolver != NULL) {
		if (resolver->context != NULL)
			ub_ctx_delete(resolver->context);
		if (resolver->stop_fd >= 0)
			close(resolver->stop_fd);
		free(resolver);
	}
	return NULL;
}

void cm_resolver_free(struct cm_resolver **resolver)
{
	const uint64_t one = 1;

	if (*resolver == NULL)
		return;
	if (write((*resolver)->stop_fd, &one, sizeof one) == (ssize_t)sizeof one)
		pthread_join((*resolver)->thread, NULL);
	ub_ctx_delete((*resolver)->context);
	close((*resolver)->stop_fd);
	free(*resolver);
	*resolver = NULL;
}

struct cm_question *cm_question_start(struct cm_resolver *resolver, const char *name)
{
	struct cm_question *question = calloc(1, sizeof *question);
	pthread_condattr_t attributes;

	if (question == NULL)
		return NULL;
	question->resolver = resolver;
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&question->answered_signal, &attributes);
	pthread_condattr_destroy(&attributes);
	if (ub_resolve_async(resolver->context, name, TYPE_TXT, CLASS_IN, question, on_answer,
			     &question->id) == 0)
		return question;
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
		status = question->status;
	pthread_mutex_unlock(&question->lock);
	return status;
}

size_t cm_question_records(const struct cm_question *question)
{
	return question->record_count;
}

const char *cm_question_record(const struct cm_question *question, size_t number, size_t *length_r)
{
	*length_r = question->records[number].length;
	return question->records[number].text;
}

void cm_question_free(struct cm_question **question)
{
	struct cm_question *one = *question;
	struct ub_ctx *context;
	bool answered;
	int id;

	if (one == NULL)
		return;
	*question = NULL;
	context = one->resolver->context;
	id = one->id;
	pthread_mutex_lock(&one->lock);
	answered = one->answered;
	one->abandoned = true;
	pthread_mutex_unlock(&one->lock);
	/* Not answered: from here on it is the call-back's, unless that will not come. */
	if (answered || ub_cancel(context, id) == 0)
		destroy(one);
}
