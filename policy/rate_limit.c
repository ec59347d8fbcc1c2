#include "rate_limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define NANOSECONDS 1000000000ULL

/* 2^15 buckets of eight entries of 16 bytes: 4 MB of address space, of which only what is used
   becomes memory. At ten messages of burst a sender is busy for ten seconds: 262,144 senders within
   ten seconds are 2 billion messages a day. */
#define BUCKETS 32768
#define WAYS    8
#define LOCKS   64

struct entry {
	uint64_t key; /* 0: never used */
	uint64_t due; /* theoretical arrival time of the next message */
};

struct cm_rate_limit {
	atomic_uint owners;
	uint64_t secret[2];
	pthread_mutex_t lock[LOCKS];
	struct entry (*bucket)[WAYS];
};

struct cm_rate_limit *cm_rate_limit_new(struct cm_error *err)
{
	struct cm_rate_limit *limit = calloc(1, sizeof *limit);

	if (limit == NULL)
		goto failed;
	if (getrandom(limit->secret, sizeof limit->secret, 0) != (ssize_t)sizeof limit->secret)
		goto failed;
	limit->bucket = calloc(BUCKETS, sizeof *limit->bucket);
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

uint64_t cm_rate_limit_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* SipHash-2-4 (Aumasson, Bernstein: SipHash, a fast short-input PRF, 2012). */
static uint64_t hash(const uint64_t secret[2], const char *key)
{
	size_t length = strlen(key);
	uint64_t v[4] = {
	    secret[0] ^ 0x736f6d6570736575ULL,
	    secret[1] ^ 0x646f72616e646f6dULL,
	    secret[0] ^ 0x6c7967656e657261ULL,
	    secret[1] ^ 0x7465646279746573ULL,
	};

	for (size_t at = 0; at <= length; at += 8) {
		uint64_t word = length - at < 8 ? (uint64_t)(length & 0xff) << 56 : 0;

		for (size_t i = 0; i < 8 && at + i < length; i++)
			word |= (uint64_t)(unsigned char)key[at + i] << (8 * i);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The key's entry; else the one that is free longest or will be free first. */
static struct entry *find(struct entry bucket[WAYS], uint64_t key)
{
	struct entry *oldest = &bucket[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (bucket[i].key == key)
			return &bucket[i];
		if (bucket[i].due < oldest->due)
			oldest = &bucket[i];
	}
	oldest->key = key;
	oldest->due = 0;
	return oldest;
}

bool cm_rate_limit_take(struct cm_rate_limit *limit, const char *key, unsigned int per_minute,
			unsigned int burst, uint64_t now)
{
	uint64_t hashed = hash(limit->secret, key);
	size_t index = (size_t)(hashed % BUCKETS);
	pthread_mutex_t *lock = &limit->lock[index % LOCKS];
	uint64_t period, early;
	struct entry *entry;
	bool allowed;

	if (per_minute == 0)
		return true;
	period = 60 * NANOSECONDS / per_minute;
	early = burst > 1 ? (burst - 1) * period : 0;
	pthread_mutex_lock(lock);
	entry = find(limit->bucket[index], hashed);
	allowed = entry->due <= now + early;
	if (allowed)
		entry->due = (entry->due > now ? entry->due : now) + period;
	pthread_mutex_unlock(lock);
	return allowed;
}
