/*
 * The file is locked by flock() while it is read or changed; the kernel releases the lock of a
 * dead process. An interrupted change leaves one wrong time of one source, never a broken table.
 */
#include "registration_limits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "gcra.h"
#include "keyed_hash.h"
#include "shared_file.h"

#define SETS      (CM_LIMITS_SOURCES / CM_GCRA_WAYS)
#define HOUR_MS   (UINT64_C(3600) * 1000)
#define MINUTE_MS (UINT64_C(60) * 1000)

/* Change this when the meaning of struct table changes. */
#define LAYOUT 2

struct table {
	uint64_t key[2];
	uint64_t total_due;
	uint64_t reserved[5];
	struct cm_gcra_entry sets[SETS][CM_GCRA_WAYS]; /* by hash of the source */
};

struct cm_limits {
	struct table *table;
	int fd;
	pthread_mutex_t mutex; /* flock() does not separate the threads of one process */
};

/* --- Sources --- */

struct cm_source cm_source_ipv4(const struct in_addr *address)
{
	struct cm_source source = {.length = sizeof(address->s_addr)};

	memcpy(source.bytes, &address->s_addr, sizeof(address->s_addr));
	return source;
}

struct cm_source cm_source_ipv6(const struct in6_addr *address)
{
	struct cm_source source = {.length = 8};
	struct in_addr mapped;

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped.s_addr, address->s6_addr + 12, sizeof(mapped.s_addr));
		return cm_source_ipv4(&mapped);
	}
	memcpy(source.bytes, address->s6_addr, source.length);
	return source;
}

/* --- The file --- */

static bool draw_key(void *data, struct cm_error *err)
{
	struct table *table = data;

	if (getrandom(table->key, sizeof(table->key), 0) == (ssize_t)sizeof(table->key))
		return true;
	cm_error_set_errno(err, "cannot get random numbers");
	return false;
}

static const struct cm_shared_file shared_file = {
    .name = CM_LIMITS_FILE,
    .size = sizeof(struct table),
    .layout = LAYOUT,
    .mode = 0600,
    .fill = draw_key,
};

struct cm_limits *cm_limits_open(const char *run_dir, struct cm_error *err)
{
	struct cm_limits *limits = calloc(1, sizeof(*limits));

	if (limits == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	limits->table = cm_shared_file_map(run_dir, &shared_file, &limits->fd, err);
	if (limits->table == NULL) {
		free(limits);
		return NULL;
	}
	pthread_mutex_init(&limits->mutex, NULL);
	return limits;
}

void cm_limits_close(struct cm_limits **limits)
{
	if (*limits == NULL)
		return;
	cm_shared_file_unmap(&shared_file, (*limits)->table);
	close((*limits)->fd);
	pthread_mutex_destroy(&(*limits)->mutex);
	free(*limits);
	*limits = NULL;
}

/* --- Rates --- */

uint64_t cm_limits_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t hash_source(const struct table *table, const struct cm_source *source)
{
	return cm_keyed_hash(table->key, source, sizeof(*source));
}

static struct cm_gcra_entry *find_entry(struct table *table, uint64_t source)
{
	return cm_gcra_find(table->sets[source % SETS], source);
}

/* The due time after one more account; 0 if the rate is exceeded. A time further ahead than a
   period was written before the clock was set back: it does not count. */
static uint64_t after_one(uint64_t due, uint64_t now_ms, uint64_t period_ms, unsigned int limit)
{
	return cm_gcra_next(due > now_ms + period_ms ? 0 : due, now_ms, period_ms / limit,
			    period_ms);
}

static enum cm_rate take_locked(struct table *table, const struct cm_config *config,
				const struct cm_source *source, uint64_t now_ms)
{
	unsigned int per_source = config->max_new_accounts_per_ip_per_hour;
	unsigned int total = config->max_new_accounts_per_minute;
	uint64_t source_after = 0, total_after = 0, hash = 0;
	struct cm_gcra_entry *entry = NULL;

	if (per_source > 0 && source->length > 0) {
		hash = hash_source(table, source);
		entry = find_entry(table, hash);
		source_after =
		    after_one(entry->key == hash ? entry->due : 0, now_ms, HOUR_MS, per_source);
		if (source_after == 0)
			return CM_RATE_SOURCE;
	}
	if (total > 0) {
		total_after = after_one(table->total_due, now_ms, MINUTE_MS, total);
		if (total_after == 0)
			return CM_RATE_TOTAL;
		table->total_due = total_after;
	}
	if (entry != NULL)
		*entry = (struct cm_gcra_entry){hash, source_after};
	return CM_RATE_OK;
}

enum cm_rate cm_limits_take(struct cm_limits *limits, const struct cm_config *config,
			    const struct cm_source *source, uint64_t now_ms, struct cm_error *err)
{
	enum cm_rate rate = CM_RATE_TROUBLE;

	pthread_mutex_lock(&limits->mutex);
	if (cm_file_lock(limits->fd, LOCK_EX)) {
		rate = take_locked(limits->table, config, source, now_ms);
		cm_file_lock(limits->fd, LOCK_UN);
	} else {
		cm_error_set_errno(err, "rates of new accounts: cannot be locked");
	}
	pthread_mutex_unlock(&limits->mutex);
	return rate;
}

static uint64_t one_earlier(uint64_t due, uint64_t period_ms, unsigned int limit)
{
	uint64_t interval_ms = period_ms / limit;

	return due > interval_ms ? due - interval_ms : 0;
}

static void give_back_locked(struct table *table, const struct cm_config *config,
			     const struct cm_source *source)
{
	unsigned int per_source = config->max_new_accounts_per_ip_per_hour;
	unsigned int total = config->max_new_accounts_per_minute;

	if (per_source > 0 && source->length > 0) {
		uint64_t hash = hash_source(table, source);
		struct cm_gcra_entry *entry = find_entry(table, hash);

		if (entry->key == hash)
			entry->due = one_earlier(entry->due, HOUR_MS, per_source);
	}
	if (total > 0)
		table->total_due = one_earlier(table->total_due, MINUTE_MS, total);
}

void cm_limits_give_back(struct cm_limits *limits, const struct cm_config *config,
			 const struct cm_source *source)
{
	pthread_mutex_lock(&limits->mutex);
	if (cm_file_lock(limits->fd, LOCK_EX)) {
		give_back_locked(limits->table, config, source);
		cm_file_lock(limits->fd, LOCK_UN);
	}
	pthread_mutex_unlock(&limits->mutex);
}
