/*
 * gcra - rates over a table of fixed size: the generic cell rate algorithm
 *
 * It keeps one time for each key, its due time: when its bucket is full again. An event moves that
 * one interval into the future, and is refused if it would then be further ahead than the burst
 * lasts. A key whose due time has passed needs no entry. Keys are keyed hashes (keyed_hash.h).
 * Times are in whatever unit the caller uses throughout.
 */
#ifndef CM_GCRA_H
#define CM_GCRA_H

#include <stddef.h>
#include <stdint.h>

/* Entries of one set, which a key's hash chooses. */
#define CM_GCRA_WAYS 8

struct cm_gcra_entry {
	uint64_t key; /* with due 0: never used */
	uint64_t due;
};

/* The key's entry; else the one that gives way, still of another key: free for longest, or the
   first to be free. */
static inline struct cm_gcra_entry *cm_gcra_find(struct cm_gcra_entry set[CM_GCRA_WAYS],
						 uint64_t key)
{
	struct cm_gcra_entry *oldest = set;

	for (size_t i = 0; i < CM_GCRA_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].due < oldest->due)
			oldest = &set[i];
	}
	return oldest;
}

/* The due time after one more event now; 0 if it comes too early. interval: between events at the
   rate; burst: how far ahead the due time may be. */
static inline uint64_t cm_gcra_next(uint64_t due, uint64_t now, uint64_t interval, uint64_t burst)
{
	uint64_t next = (due > now ? due : now) + interval;

	return next <= now + burst ? next : 0;
}

#endif
