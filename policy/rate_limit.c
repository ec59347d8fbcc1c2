#include "rate_limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gcra.h"
#include "keyed_hash.h"

#define NANOSECONDS 1000000000ULL

/* 2^15 buckets of eight entries of 16 bytes: 4 MB of address space; only used pages take memory.
   With a burst of ten messages a sender is busy for ten seconds: 262,144 senders within ten seconds
   are 2 billion messages a day. */
#define BUCKETS 32768
#define LOCKS   64

struct cm_rate_limit {
	atomic_uint owners;
	uint64_t secret[2];
	pthread_mutex_t lock[LOCKS];
	struct cm_gcra_entry (*bucket)[CM_GCRA_WAYS];
};

struct cm_rate_limit *cm_rate_limit_new(struct cm_error *err)
{
	struct cm_rate_limit *limit = calloc(1, sizeof(*limit));

	if (limit == NULL)
		goto failed;
	if (getrandom(limit->secret, sizeof(limit->secret), 0) != (ssize_t)sizeof(limit->secret))
		goto failed;
	limit->bucket = calloc(BUCKETS, sizeof(*limit->bucket));
	if (limit->bucket == NULL)
		goto failed;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_init(&limit->lock[i], NULL);
	atomic_init(&limit->owners, 1);
	return limit;
failed:
	cm_error_set_errno(err, "cannot make the table of rate limits");
	free(limit);
	return NULL;
}

struct cm_rate_limit *cm_rate_limit_share(struct cm_rate_limit *limit)
{
	atomic_fetch_add(&limit->owners, 1);
	return limit;
}

void cm_rate_limit_free(struct cm_rate_limit **limit)
{
	struct cm_rate_limit *mine = limit != NULL ? *limit : NULL;

	if (mine == NULL)
		return;
	*limit = NULL;
	if (atomic_fetch_sub(&mine->owners, 1) > 1)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&mine->lock[i]);
	free(mine->bucket);
	free(mine);
}

bool cm_rate_limit_take(struct cm_rate_limit *limit, const char *key, unsigned int per_minute,
			unsigned int burst, uint64_t now)
{
	uint64_t hashed = cm_keyed_hash(limit->secret, key, strlen(key));
	size_t index = (size_t)(hashed % BUCKETS);
	pthread_mutex_t *lock = &limit->lock[index % LOCKS];
	struct cm_gcra_entry *entry;
	uint64_t interval, next;

	if (per_minute == 0)
		return true;
	interval = 60 * NANOSECONDS / per_minute;
	pthread_mutex_lock(lock);
	entry = cm_gcra_find(limit->bucket[index], hashed);
	next = cm_gcra_next(entry->key == hashed ? entry->due : 0, now, interval,
			    (burst > 1 ? burst : 1) * interval);
	if (next != 0)
		*entry = (struct cm_gcra_entry){hashed, next};
	pthread_mutex_unlock(lock);
	return next != 0;
}
