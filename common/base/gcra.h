/*
 * gcra - rates over a table of fixed size: the generic cell rate algorithm
 *
 * For each key the table keeps one time, at which its bucket is full again: its due time. An
 * event moves the due time one interval into the future. It is refused if the due time would then
 * be further ahead than the burst. A key whose due time has passed needs no entry. Keys are keyed
 * hashes (keyed_hash.h). The caller chooses the unit of time.
 */
#ifndef CM_GCRA_H
#define CM_GCRA_H

#include <stddef.h>
#include <stdint.h>

/* Entries of one set; a key's hash selects the set. */
#define CM_GCRA_WAYS 8

struct cm_gcra_entry {
	uint64_t key; /* with due 0: never used */
	uint64_t due;
};

/* Returns the key's entry; without one, the entry to replace: the one that has been free for
 * longest, or will be free first. It still has its old key. */
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

/* Returns the due time after one more event now; 0 if the event comes too early. interval: between
   events at the rate; burst: how far ahead the due time may be. */
static inline uint64_t cm_gcra_next(uint64_t due, uint64_t now, uint64_t interval, uint64_t burst)
{
	uint64_t next = (due > now ? due : now) + interval;

	return next <= now + burst ? next : 0;
}

#endif
