/*
 * generation - the configuration, policy and resolver in force, while messages come and go
 */
#include "generation.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The resolver outlives configurations that agree about it. */
struct shared_dkim {
	struct cm_dkim *dkim;
	unsigned int references;
};

struct cm_generation {
	struct cm_config *config;
	struct cm_policy *policy;
	struct shared_dkim *dkim;
	struct cm_stats *stats;
	unsigned int references; /* messages, and one while in force */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct cm_generation *in_force;
static unsigned int messages;

/* The lock is held, if others know the generation. */
static void release(struct cm_generation *generation)
{
	if (--generation->references > 0)
		return;
	cm_policy_free(&generation->policy);
	if (generation->dkim != NULL && --generation->dkim->references == 0) {
		cm_dkim_free(&generation->dkim->dkim);
		free(generation->dkim);
	}
	cm_stats_close(&generation->stats);
	cm_config_free(&generation->config);
	free(generation);
}

/* Shares the resolver of what is in force, or makes one: always if it is the system's, whose
   configuration may be another now. The lock is held. */
static struct shared_dkim *get_dkim(const struct cm_config *config, struct cm_error *err)
{
	struct shared_dkim *dkim;

	if (in_force != NULL && config->resolver[0] != '\0' &&
	    strcmp(in_force->config->resolver, config->resolver) == 0) {
		in_force->dkim->references++;
		return in_force->dkim;
	}
	dkim = calloc(1, sizeof *dkim);
	if (dkim == NULL) {
		cm_error_set_errno(err, "cannot use the configuration");
		return NULL;
	}
	dkim->references = 1;
	dkim->dkim = cm_dkim_new(config->resolver, err);
	if (dkim->dkim != NULL)
		return dkim;
	free(dkim);
	return NULL;
}

static void open_stats(struct cm_generation *generation, cm_config_warning_fn *warn, void *context)
{
	struct cm_error why;

	generation->stats = cm_stats_open(generation->config->run_dir, &why);
	if (generation->stats == NULL && warn != NULL)
		warn(why.text, context);
}

static struct cm_generation *new_generation(const char *ini, cm_config_warning_fn *warn,
					    void *context, struct cm_error *err)
{
	struct cm_generation *generation = calloc(1, sizeof *generation);

	if (generation == NULL) {
		cm_error_set_errno(err, "cannot use the configuration");
		return NULL;
	}
	generation->references = 1;
	generation->config = cm_config_load(ini, warn, context, err);
	if (generation->config != NULL)
		generation->policy =
		    in_force == NULL ? cm_policy_new(generation->config, err)
				     : cm_policy_renew(in_force->policy, generation->config, err);
	if (generation->policy != NULL)
		generation->dkim = get_dkim(generation->config, err);
	if (generation->dkim != NULL) {
		open_stats(generation, warn, context);
		return generation;
	}
	release(generation);
	return NULL;
}

bool cm_generation_load(const char *ini, cm_config_warning_fn *warn, void *context,
			struct cm_error *err)
{
	struct cm_generation *generation, *before = NULL;

	pthread_mutex_lock(&lock);
	generation = new_generation(ini, warn, context, err);
	if (generation != NULL) {
		before = in_force;
		in_force = generation;
	}
	if (before != NULL)
		release(before);
	pthread_mutex_unlock(&lock);
	return generation != NULL;
}

bool cm_generation_logs_addresses(void)
{
	bool logs;

	pthread_mutex_lock(&lock);
	logs = in_force != NULL && in_force->config->log_addresses;
	pthread_mutex_unlock(&lock);
	return logs;
}

struct cm_generation *cm_generation_enter(void)
{
	struct cm_generation *generation;

	pthread_mutex_lock(&lock);
	generation = in_force;
	if (generation != NULL) {
		generation->references++;
		messages++;
	}
	pthread_mutex_unlock(&lock);
	return generation;
}

void cm_generation_leave(struct cm_generation **generation)
{
	pthread_mutex_lock(&lock);
	release(*generation);
	*generation = NULL;
	if (--messages == 0)
		pthread_cond_signal(&idle);
	pthread_mutex_unlock(&lock);
}

struct cm_policy *cm_generation_policy(struct cm_generation *generation)
{
	return generation->policy;
}

struct cm_dkim *cm_generation_dkim(struct cm_generation *generation)
{
	return generation->dkim->dkim;
}

struct cm_stats *cm_generation_stats(struct cm_generation *generation)
{
	return generation->stats;
}

void cm_generation_stop(void)
{
	pthread_mutex_lock(&lock);
	if (in_force != NULL)
		release(in_force);
	in_force = NULL;
	pthread_mutex_unlock(&lock);
}

bool cm_generation_wait_idle(unsigned int milliseconds)
{
	struct timespec deadline;
	bool is_idle;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += milliseconds / 1000;
	deadline.tv_nsec += (long)(milliseconds % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&lock);
	while (messages > 0 && pthread_cond_timedwait(&idle, &lock, &deadline) != ETIMEDOUT)
		;
	is_idle = messages == 0;
	pthread_mutex_unlock(&lock);
	return is_idle;
}
