/*
 * Two hash tables of a fixed number of buckets (entries by name, targets by key), a heap of the
 * waiting targets, and one list of ready targets for each class. A target is in the heap, in one
 * list, or in flight.
 */
#include "targets.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

enum target_state {
	TARGET_WAITING, /* in the heap; without entries it only holds */
	TARGET_READY,   /* in a list */
	TARGET_IN_FLIGHT,
};

struct target {
	struct heap_node heap; /* first: the heap's node is the target */
	struct target *hash_next;
	struct target *ready_next;
	struct target_entry *entries; /* entries of the next request, or of the one in flight */
	struct target_entry *later;   /* entries that arrived while it was in flight */
	size_t count;                 /* of both */
	int64_t not_before;           /* end of the hold */
	enum target_state state;
	enum target_class class;
	bool failing; /* the last request failed, and its entries are still here */
	uint8_t key[TARGET_KEY_SIZE];
};

struct ready_list {
	struct target *first, **last;
};

struct targets {
	size_t capacity;
	size_t length;  /* entries */
	size_t waiting; /* those of waiting targets */
	size_t buckets; /* a power of two */
	struct target_entry **by_name;
	struct target **by_key;
	struct heap heap;
	struct ready_list ready[TARGET_CLASSES];
	unsigned int turn; /* the class that is tried first */
};

struct targets *targets_new(size_t capacity)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (targets == NULL)
		return NULL;
	targets->capacity = capacity;
	targets->buckets = 16;
	while (targets->buckets < capacity)
		targets->buckets *= 2;
	heap_init(&targets->heap);
	for (int i = 0; i < TARGET_CLASSES; i++)
		targets->ready[i].last = &targets->ready[i].first;
	targets->by_name = calloc(targets->buckets, sizeof(struct target_entry *));
	targets->by_key = calloc(targets->buckets, sizeof(struct target *));
	if (targets->by_name == NULL || targets->by_key == NULL)
		targets_free(&targets);
	return targets;
}

void targets_free(struct targets **targets)
{
	struct target_entry *entry, *next_entry;
	struct target *target, *next_target;

	if (*targets == NULL)
		return;
	for (size_t i = 0; i < (*targets)->buckets; i++) {
		entry = (*targets)->by_name != NULL ? (*targets)->by_name[i] : NULL;
		for (; entry != NULL; entry = next_entry) {
			next_entry = entry->hash_next;
			free(entry);
		}
		target = (*targets)->by_key != NULL ? (*targets)->by_key[i] : NULL;
		for (; target != NULL; target = next_target) {
			next_target = target->hash_next;
			free(target);
		}
	}
	heap_deinit(&(*targets)->heap);
	free((*targets)->by_name);
	free((*targets)->by_key);
	free(*targets);
	*targets = NULL;
}

/* The bucket of a file name (FNV-1a; we choose the names, so clients cannot make them
   collide). */
static struct target_entry **name_bucket(const struct targets *targets, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return &targets->by_name[(hash ^ hash >> 32) & (targets->buckets - 1)];
}

/* The bucket of a key, which is the beginning of a SHA-256. */
static struct target **key_bucket(const struct targets *targets, const uint8_t *key)
{
	uint64_t hash;

	memcpy(&hash, key, sizeof(hash));
	return &targets->by_key[hash & (targets->buckets - 1)];
}

bool targets_knows(const struct targets *targets, const char *name)
{
	const struct target_entry *entry = *name_bucket(targets, name);

	while (entry != NULL && strcmp(entry->name, name) != 0)
		entry = entry->hash_next;
	return entry != NULL;
}

bool targets_has_room(const struct targets *targets, enum target_class class, bool due_now)
{
	const size_t active = targets->length - targets->waiting;

	if (targets->length >= targets->capacity)
		return false;
	if (!due_now)
		return targets->waiting < targets->capacity / 2;
	return active < (class == TARGET_FRESH ? targets->capacity / 2 : targets->capacity / 4);
}

static void push_ready(struct targets *targets, struct target *target)
{
	struct ready_list *list = &targets->ready[target->class];

	target->state = TARGET_READY;
	target->ready_next = NULL;
	*list->last = target;
	list->last = &target->ready_next;
}

static struct target *pop_ready(struct ready_list *list)
{
	struct target *target = list->first;

	if (target == NULL)
		return NULL;
	list->first = target->ready_next;
	if (list->first == NULL)
		list->last = &list->first;
	return target;
}

static void start_waiting(struct targets *targets, struct target *target, int64_t due)
{
	target->state = TARGET_WAITING;
	target->heap.due = due;
	targets->waiting += target->count;
	heap_push(&targets->heap, &target->heap);
}

static void stop_waiting(struct targets *targets, struct target *target)
{
	heap_remove(&targets->heap, &target->heap);
	targets->waiting -= target->count;
}

static void free_target(struct targets *targets, struct target *target)
{
	struct target **link = key_bucket(targets, target->key);

	while (*link != target)
		link = &(*link)->hash_next;
	*link = target->hash_next;
	free(target);
}

static void free_entry(struct targets *targets, struct target *target, struct target_entry *entry)
{
	struct target_entry **link = name_bucket(targets, entry->name);

	while (*link != entry)
		link = &(*link)->hash_next;
	*link = entry->hash_next;
	free(entry);
	target->count--;
	targets->length--;
}

/* The target of the item's key; a new one waits until the item is due. */
static struct target *find_target(struct targets *targets, const struct target_item *item)
{
	struct target **bucket = key_bucket(targets, item->key), *target = *bucket;

	while (target != NULL && memcmp(target->key, item->key, TARGET_KEY_SIZE) != 0)
		target = target->hash_next;
	if (target != NULL)
		return target;
	/* Each target is a node of the heap at some time, so there is always room for all. */
	if (!heap_reserve(&targets->heap, targets->capacity * 2))
		return NULL;
	target = calloc(1, sizeof(*target));
	if (target == NULL)
		return NULL;
	memcpy(target->key, item->key, TARGET_KEY_SIZE);
	target->class = item->class;
	target->failing = item->class == TARGET_RETRY;
	target->hash_next = *bucket;
	*bucket = target;
	start_waiting(targets, target, item->due);
	return target;
}

/* An entry joined a waiting target, which may now be due earlier, or ready. */
static void hurry(struct targets *targets, struct target *target, const struct target_item *item,
		  int64_t now)
{
	int64_t due = item->due > target->not_before ? item->due : target->not_before;

	/* Without entries the target was only held, so its time does not count. */
	if (target->count > 0 && target->heap.due < due)
		due = target->heap.due;
	stop_waiting(targets, target);
	target->class = target->failing ? TARGET_RETRY : item->class;
	if (due <= now)
		push_ready(targets, target);
	else
		start_waiting(targets, target, due);
}

enum target_admission targets_add(struct targets *targets, const struct target_item *item,
				  int64_t now)
{
	const size_t name_size = strlen(item->name) + 1;
	struct target_entry *entry, **bucket = name_bucket(targets, item->name);
	struct target *target;

	if (targets_knows(targets, item->name))
		return TARGET_KNOWN;
	if (!targets_has_room(targets, item->class, item->due <= now))
		return TARGET_FULL;
	entry = malloc(sizeof(*entry) + name_size);
	target = entry != NULL ? find_target(targets, item) : NULL;
	if (target == NULL) {
		free(entry);
		return TARGET_FULL;
	}
	entry->arrival = item->arrival;
	entry->appeared = item->appeared;
	entry->failures = item->failures;
	memcpy(entry->name, item->name, name_size);
	entry->hash_next = *bucket;
	*bucket = entry;

	if (target->state == TARGET_WAITING)
		hurry(targets, target, item, now);
	if (target->state == TARGET_IN_FLIGHT) {
		entry->next = target->later;
		target->later = entry;
	} else {
		entry->next = target->entries;
		target->entries = entry;
	}
	target->count++;
	targets->length++;
	if (target->state == TARGET_WAITING)
		targets->waiting++;
	return TARGET_ADMITTED;
}

/* Moves due targets from the heap to the lists, and frees those that were only held. */
static void wake(struct targets *targets, int64_t now)
{
	struct heap_node *node;
	struct target *target;

	while ((node = heap_first(&targets->heap)) != NULL && node->due <= now) {
		target = (struct target *)node;
		stop_waiting(targets, target);
		if (target->count == 0)
			free_target(targets, target);
		else
			push_ready(targets, target);
	}
}

struct target *targets_next(struct targets *targets, unsigned int classes, int64_t now,
			    enum target_class *class_r)
{
	struct target *target;

	wake(targets, now);
	for (unsigned int i = 0; i < TARGET_CLASSES; i++) {
		const unsigned int class = (targets->turn + i) % TARGET_CLASSES;

		if ((classes & 1U << class) == 0)
			continue;
		target = pop_ready(&targets->ready[class]);
		if (target == NULL)
			continue;
		target->state = TARGET_IN_FLIGHT;
		target->not_before = now + TARGET_HOLD;
		targets->turn = class + 1;
		*class_r = (enum target_class) class;
		return target;
	}
	return NULL;
}

int64_t targets_next_due(const struct targets *targets, unsigned int classes, int64_t now)
{
	const struct heap_node *node = heap_first(&targets->heap);

	for (unsigned int i = 0; i < TARGET_CLASSES; i++)
		if ((classes & 1U << i) != 0 && targets->ready[i].first != NULL)
			return now;
	if (node == NULL)
		return INT64_MAX;
	return node->due > now ? node->due : now;
}

struct target_entry *target_entries(const struct target *target)
{
	return target->entries;
}

enum target_class target_class(const struct target *target)
{
	return target->class;
}

void targets_remove_entry(struct targets *targets, struct target *target,
			  struct target_entry *entry)
{
	struct target_entry **link = &target->entries;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	free_entry(targets, target, entry);
}

void targets_finish(struct targets *targets, struct target *target, int64_t now)
{
	target->entries = target->later;
	target->later = NULL;
	target->class = TARGET_FRESH;
	target->failing = false;
	/* Never more targets that only hold than entries. */
	if (target->count == 0 &&
	    (target->not_before <= now || targets->heap.count >= targets->capacity))
		free_target(targets, target);
	else
		start_waiting(targets, target, target->not_before);
}

void targets_defer(struct targets *targets, struct target *target, int64_t due)
{
	struct target_entry **end = &target->later;

	target->class = TARGET_RETRY;
	target->failing = true;
	if (target->later != NULL)
		due = target->not_before;
	while (*end != NULL)
		end = &(*end)->next;
	*end = target->entries;
	target->entries = target->later;
	target->later = NULL;
	start_waiting(targets, target, due);
}

void targets_forget(struct targets *targets, struct target *target)
{
	struct target_entry *entry;

	while ((entry = target->entries) != NULL) {
		target->entries = entry->next;
		free_entry(targets, target, entry);
	}
	while ((entry = target->later) != NULL) {
		target->later = entry->next;
		free_entry(targets, target, entry);
	}
	free_target(targets, target);
}

/* Removes the entries of one target that arrived before this time. */
static void expire_target(struct targets *targets, struct target *target, time_t before,
			  void (*expired)(void *, const char *), void *context)
{
	struct target_entry **link = &target->entries, *entry;

	while ((entry = *link) != NULL) {
		if (entry->arrival >= before) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		expired(context, entry->name);
		free_entry(targets, target, entry);
		if (target->state == TARGET_WAITING)
			targets->waiting--;
	}
}

/* Frees the ready targets that have no entry left. */
static void sweep_ready(struct targets *targets, struct ready_list *list)
{
	struct target **link = &list->first, *target;

	while ((target = *link) != NULL) {
		if (target->count > 0) {
			link = &target->ready_next;
			continue;
		}
		*link = target->ready_next;
		free_target(targets, target);
	}
	list->last = link;
}

void targets_expire(struct targets *targets, time_t before,
		    void (*expired)(void *context, const char *name), void *context)
{
	struct target *target, *next;

	for (size_t i = 0; i < targets->buckets; i++) {
		for (target = targets->by_key[i]; target != NULL; target = next) {
			next = target->hash_next;
			/* A target without entries is held, and stays. */
			if (target->state == TARGET_IN_FLIGHT || target->count == 0)
				continue;
			expire_target(targets, target, before, expired, context);
			if (target->count > 0 || target->state != TARGET_WAITING)
				continue;
			stop_waiting(targets, target);
			free_target(targets, target);
		}
	}
	for (int i = 0; i < TARGET_CLASSES; i++)
		sweep_ready(targets, &targets->ready[i]);
}

size_t targets_length(const struct targets *targets)
{
	return targets->length;
}

time_t targets_oldest(const struct targets *targets)
{
	time_t oldest = 0;

	for (size_t i = 0; i < targets->buckets; i++)
		for (const struct target_entry *entry = targets->by_name[i]; entry != NULL;
		     entry = entry->hash_next)
			if (oldest == 0 || entry->arrival < oldest)
				oldest = entry->arrival;
	return oldest;
}
