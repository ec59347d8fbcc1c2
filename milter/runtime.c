#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A resolver is kept while new configurations name the same one. */
struct shared_dkim {
	struct cm_dkim *dkim;
	unsigned int references;
};

struct cm_runtime {
	struct cm_config *config;
	struct cm_policy *policy;
	struct shared_dkim *dkim;
	struct cm_signer *signer;
	struct cm_stats *stats;
	unsigned int references; /* one for each message, and one while it is current */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct cm_runtime *current;
static unsigned int messages;
static struct cm_signer *read_as_root;

/* The lock is held if other threads can reach the runtime. */
static void release(struct cm_runtime *runtime)
{
	if (--runtime->references > 0)
		return;
	cm_policy_free(&runtime->policy);
	if (runtime->dkim != NULL && --runtime->dkim->references == 0) {
		cm_dkim_free(&runtime->dkim->dkim);
		free(runtime->dkim);
	}
	cm_signer_free(&runtime->signer);
	cm_stats_close(&runtime->stats);
	cm_config_free(&runtime->config);
	free(runtime);
}

/* Shares the current resolver, or creates another one. The system's resolver is always created
   again, because its configuration may have changed. The lock is held. */
static struct shared_dkim *get_dkim(const struct cm_config *config, struct cm_error *err)
{
	struct shared_dkim *dkim;

	if (current != NULL && config->resolver[0] != '\0' &&
	    strcmp(current->config->resolver, config->resolver) == 0) {
		current->dkim->references++;
		return current->dkim;
	}
	dkim = calloc(1, sizeof(*dkim));
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

static bool signs(const struct cm_config *config)
{
	return config->dkim_signing == CM_DKIM_SIGNING_MILTER && !config->mail_domain_is_ip;
}

static struct cm_signer *new_signer(const struct cm_config *config, struct cm_error *err)
{
	return cm_signer_new(config->dkim_keys_dir, config->dkim_selector, config->mail_domain,
			     err);
}

static struct cm_signer *share_signer(struct cm_signer *signer, const struct cm_config *config)
{
	if (signer == NULL || !cm_signer_is_of(signer, config->dkim_keys_dir, config->dkim_selector,
					       config->mail_domain))
		return NULL;
	return cm_signer_share(signer);
}

/* The key from its file; if only root can read it, the current key or the one that was read
   before privileges were dropped. The lock is held. */
static void open_signer(struct cm_runtime *runtime, cm_config_warning_fn *warn, void *context)
{
	const struct cm_config *config = runtime->config;
	struct cm_error why, warning;

	if (!signs(config))
		return;
	runtime->signer = new_signer(config, &why);
	if (runtime->signer != NULL)
		return;
	if (current != NULL) {
		runtime->signer = share_signer(current->signer, config);
		if (runtime->signer != NULL)
			cm_error_set(&warning, "the DKIM key stays as it was: %.900s", why.text);
	}
	if (runtime->signer == NULL) {
		runtime->signer = share_signer(read_as_root, config);
		if (runtime->signer != NULL)
			return;
		cm_error_set(&warning, "outgoing mail is refused without a DKIM key: %.900s",
			     why.text);
	}
	if (warn != NULL)
		warn(warning.text, context);
}

void cm_runtime_read_key(const char *ini)
{
	struct cm_config *config = cm_config_load(ini, NULL, NULL, NULL);

	if (config != NULL && signs(config))
		read_as_root = new_signer(config, NULL);
	cm_config_free(&config);
}

static void open_stats(struct cm_runtime *runtime, cm_config_warning_fn *warn, void *context)
{
	struct cm_error why;

	runtime->stats = cm_stats_open(runtime->config->run_dir, &why);
	if (runtime->stats == NULL && warn != NULL)
		warn(why.text, context);
}

static struct cm_runtime *new_runtime(const char *ini, cm_config_warning_fn *warn, void *context,
				      struct cm_error *err)
{
	struct cm_runtime *runtime = calloc(1, sizeof(*runtime));

	if (runtime == NULL) {
		cm_error_set_errno(err, "cannot use the configuration");
		return NULL;
	}
	runtime->references = 1;
	runtime->config = cm_config_load(ini, warn, context, err);
	if (runtime->config != NULL)
		runtime->policy = current == NULL
				      ? cm_policy_new(runtime->config, err)
				      : cm_policy_renew(current->policy, runtime->config, err);
	if (runtime->policy != NULL)
		runtime->dkim = get_dkim(runtime->config, err);
	if (runtime->dkim != NULL) {
		open_signer(runtime, warn, context);
		open_stats(runtime, warn, context);
		return runtime;
	}
	release(runtime);
	return NULL;
}

bool cm_runtime_load(const char *ini, cm_config_warning_fn *warn, void *context,
		     struct cm_error *err)
{
	struct cm_runtime *runtime, *before = NULL;

	pthread_mutex_lock(&lock);
	runtime = new_runtime(ini, warn, context, err);
	if (runtime != NULL) {
		before = current;
		current = runtime;
	}
	if (before != NULL)
		release(before);
	cm_signer_free(&read_as_root);
	pthread_mutex_unlock(&lock);
	return runtime != NULL;
}

bool cm_runtime_logs_addresses(void)
{
	bool logs;

	pthread_mutex_lock(&lock);
	logs = current != NULL && current->config->log_addresses;
	pthread_mutex_unlock(&lock);
	return logs;
}

struct cm_runtime *cm_runtime_enter(void)
{
	struct cm_runtime *runtime;

	pthread_mutex_lock(&lock);
	runtime = current;
	if (runtime != NULL) {
		runtime->references++;
		messages++;
	}
	pthread_mutex_unlock(&lock);
	return runtime;
}

void cm_runtime_leave(struct cm_runtime **runtime)
{
	pthread_mutex_lock(&lock);
	release(*runtime);
	*runtime = NULL;
	if (--messages == 0)
		pthread_cond_signal(&idle);
	pthread_mutex_unlock(&lock);
}

struct cm_policy *cm_runtime_policy(struct cm_runtime *runtime)
{
	return runtime->policy;
}

struct cm_dkim *cm_runtime_dkim(struct cm_runtime *runtime)
{
	return runtime->dkim->dkim;
}

bool cm_runtime_signs(const struct cm_runtime *runtime)
{
	return signs(runtime->config);
}

const struct cm_signer *cm_runtime_signer(const struct cm_runtime *runtime)
{
	return runtime->signer;
}

struct cm_stats *cm_runtime_stats(struct cm_runtime *runtime)
{
	return runtime->stats;
}

void cm_runtime_stop(void)
{
	pthread_mutex_lock(&lock);
	if (current != NULL)
		release(current);
	current = NULL;
	pthread_mutex_unlock(&lock);
}

bool cm_runtime_wait_idle(unsigned int milliseconds)
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
