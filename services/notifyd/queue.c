/*
 * queue - the part of the notifications that is in memory, by token and by time
 *
 * Two hash tables of a fixed number of buckets (entries by name, targets by key), a heap of the
 * targets that wait, and one list of ready targets for each class. A target is in exactly one of
 * heap, list and flight.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

enum target_state {
	TARGET_WAITING, /* in the heap; without entries it only holds */
	TARGET_READY,   /* in a list */
	TARGET_IN_FLIGHT,
};

struct queue_target {
	struct heap_node heap; /* first: the heap's node is the target */
	struct queue_target *hash_next;
	struct queue_target *ready_next;
	struct queue_entry *entries; /* what the next request, or the one in flight, stands for */
	struct queue_entry *later;   /* what came while it was in flight */
	size_t count;                /* of both */
	int64_t not_before;          /* end of the hold */
	enum target_state state;
	enum queue_class class;
	bool failing; /* the last request failed, and what it stood for is still here */
	uint8_t key[QUEUE_KEY_SIZE];
};

struct ready_list {
	struct queue_target *first, **last;
};

struct queue {
	size_t capacity;
	size_t length;  /* entries */
	size_t waiting; /* those of waiting targets */
	size_t buckets; /* a power of two */
	struct queue_entry **by_name;
	struct queue_target **by_key;
	struct heap heap;
	struct ready_list ready[QUEUE_CLASSES];
	unsigned int turn; /* class that is looked at first */
};

struct queue *queue_new(size_t capacity)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL)
		return NULL;
	queue->capacity = capacity;
	queue->buckets = 16;
	while (queue->buckets < capacity)
		queue->buckets *= 2;
	heap_init(&queue->heap);
	for (int i = 0; i < QUEUE_CLASSES; i++)
		queue->ready[i].last = &queue->ready[i].first;
	queue->by_name = calloc(queue->buckets, sizeof(struct queue_entry *));
	queue->by_key = calloc(queue->buckets, sizeof(struct queue_target *));
	if (queue->by_name == NULL || queue->by_key == NULL)
		queue_free(&queue);
	return queue;
}

void queue_free(struct queue **queue)
{
	struct queue_entry *entry, *next_entry;
	struct queue_target *target, *next_target;

	if (*queue == NULL)
		return;
	for (size_t i = 0; i < (*queue)->buckets; i++) {
		entry = (*queue)->by_name != NULL ? (*queue)->by_name[i] : NULL;
		for (; entry != NULL; entry = next_entry) {
			next_entry = entry->hash_next;
			free(entry);
		}
		target = (*queue)->by_key != NULL ? (*queue)->by_key[i] : NULL;
		for (; target != NULL; target = next_target) {
			next_target = target->hash_next;
			free(target);
		}
	}
	heap_deinit(&(*queue)->heap);
	free((*queue)->by_name);
	free((*queue)->by_key);
	free(*queue);
	*queue = NULL;
}

/* The bucket of a file name (FNV-1a; the names are ours, nobody else can choose them). */
static struct queue_entry **name_bucket(const struct queue *queue, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return &queue->by_name[(hash ^ hash >> 32) & (queue->buckets - 1)];
}

/* The bucket of a key, which is the beginning of a SHA-256. */
static struct queue_target **key_bucket(const struct queue *queue, const uint8_t *key)
{
	uint64_t hash;

	memcpy(&hash, key, sizeof hash);
	return &queue->by_key[hash & (queue->buckets - 1)];
}

bool queue_knows(const struct queue *queue, const char *name)
{
	const struct queue_entry *entry = *name_bucket(queue, name);

	while (entry != NULL && strcmp(entry->name, name) != 0)
		entry = entry->hash_next;
	return entry != NULL;
}

bool queue_has_room(const struct queue *queue, enum queue_class class, bool due_now)
{
	const size_t active = queue->length - queue->waiting;

	if (queue->length >= queue->capacity)
		return false;
	if (!due_now)
		return queue->waiting < queue->capacity / 2;
	return active < (class == QUEUE_FRESH ? queue->capacity / 2 : queue->capacity / 4);
}

static void push_ready(struct queue *queue, struct queue_target *target)
{
	struct ready_list *list = &queue->ready[target->class];

	target->state = TARGET_READY;
	target->ready_next = NULL;
	*list->last = target;
	list->last = &target->ready_next;
}

static struct queue_target *pop_ready(struct ready_list *list)
{
	struct queue_target *target = list->first;

	if (target == NULL)
		return NULL;
	list->first = target->ready_next;
	if (list->first == NULL)
		list->last = &list->first;
	return target;
}

static void start_waiting(struct queue *queue, struct queue_target *target, int64_t due)
{
	target->state = TARGET_WAITING;
	target->heap.due = due;
	queue->waiting += target->count;
	heap_push(&queue->heap, &target->heap);
}

static void stop_waiting(struct queue *queue, struct queue_target *target)
{
	heap_remove(&queue->heap, &target->heap);
	queue->waiting -= target->count;
}

static void free_target(struct queue *queue, struct queue_target *target)
{
	struct queue_target **link = key_bucket(queue, target->key);

	while (*link != target)
		link = &(*link)->hash_next;
	*link = target->hash_next;
	free(target);
}

static void free_entry(struct queue *queue, struct queue_target *target, struct queue_entry *entry)
{
	struct queue_entry **link = name_bucket(queue, entry->name);

	while (*link != entry)
		link = &(*link)->hash_next;
	*link = entry->hash_next;
	free(entry);
	target->count--;
	queue->length--;
}

/* The target of the item's key; a new one waits until the item is due. */
static struct queue_target *find_target(struct queue *queue, const struct queue_item *item)
{
	struct queue_target **bucket = key_bucket(queue, item->key), *target = *bucket;

	while (target != NULL && memcmp(target->key, item->key, QUEUE_KEY_SIZE) != 0)
		target = target->hash_next;
	if (target != NULL)
		return target;
	/* Each target is a node of the heap at some time, so there is always room for all. */
	if (!heap_reserve(&queue->heap, queue->capacity * 2))
		return NULL;
	target = calloc(1, sizeof *target);
	if (target == NULL)
		return NULL;
	memcpy(target->key, item->key, QUEUE_KEY_SIZE);
	target->class = item->class;
	target->failing = item->class == QUEUE_RETRY;
	target->hash_next = *bucket;
	*bucket = target;
	start_waiting(queue, target, item->due);
	return target;
}

/* An entry joined a waiting target: it may be due earlier now, or ready. */
static void hurry(struct queue *queue, struct queue_target *target, const struct queue_item *item,
		  int64_t now)
{
	int64_t due = item->due > target->not_before ? item->due : target->not_before;

	/* Without entries it was only holding, and its time was none of theirs. */
	if (target->count > 0 && target->heap.due < due)
		due = target->heap.due;
	stop_waiting(queue, target);
	target->class = target->failing ? QUEUE_RETRY : item->class;
	if (due <= now)
		push_ready(queue, target);
	else
		start_waiting(queue, target, due);
}

enum queue_admission queue_add(struct queue *queue, const struct queue_item *item, int64_t now)
{
	const size_t name_size = strlen(item->name) + 1;
	struct queue_entry *entry, **bucket = name_bucket(queue, item->name);
	struct queue_target *target;

	if (queue_knows(queue, item->name))
		return QUEUE_KNOWN;
	if (!queue_has_room(queue, item->class, item->due <= now))
		return QUEUE_FULL;
	entry = malloc(sizeof *entry + name_size);
	target = entry != NULL ? find_target(queue, item) : NULL;
	if (target == NULL) {
		free(entry);
		return QUEUE_FULL;
	}
	entry->arrival = item->arrival;
	entry->appeared = item->appeared;
	entry->failures = item->failures;
	memcpy(entry->name, item->name, name_size);
	entry->hash_next = *bucket;
	*bucket = entry;

	if (target->state == TARGET_WAITING)
		hurry(queue, target, item, now);
	if (target->state == TARGET_IN_FLIGHT) {
		entry->next = target->later;
		target->later = entry;
	} else {
		entry->next = target->entries;
		target->entries = entry;
	}
	target->count++;
	queue->length++;
	if (target->state == TARGET_WAITING)
		queue->waiting++;
	return QUEUE_ADMITTED;
}

/* Moves what is due from the heap to the lists, and frees what only held. */
static void wake(struct queue *queue, int64_t now)
{
	struct heap_node *node;
	struct queue_target *target;

	while ((node = heap_first(&queue->heap)) != NULL && node->due <= now) {
		target = (struct queue_target *)node;
		stop_waiting(queue, target);
		if (target->count == 0)
			free_target(queue, target);
		else
			push_ready(queue, target);
	}
}

struct queue_target *queue_next(struct queue *queue, unsigned int classes, int64_t now,
				enum queue_class *class_r)
{
	struct queue_target *target;

	wake(queue, now);
	for (unsigned int i = 0; i < QUEUE_CLASSES; i++) {
		const unsigned int class = (queue->turn + i) % QUEUE_CLASSES;

		if ((classes & 1U << class) == 0)
			continue;
		target = pop_ready(&queue->ready[class]);
		if (target == NULL)
			continue;
		target->state = TARGET_IN_FLIGHT;
		target->not_before = now + QUEUE_HOLD;
		queue->turn = class + 1;
		*class_r = (enum queue_class) class;
		return target;
	}
	return NULL;
}

int64_t queue_next_due(const struct queue *queue, unsigned int classes, int64_t now)
{
	const struct heap_node *node = heap_first(&queue->heap);

	for (unsigned int i = 0; i < QUEUE_CLASSES; i++)
		if ((classes & 1U << i) != 0 && queue->ready[i].first != NULL)
			return now;
	if (node == NULL)
		return INT64_MAX;
	return node->due > now ? node->due : now;
}

struct queue_entry *queue_target_entries(const struct queue_target *target)
{
	return target->entries;
}

enum queue_class queue_target_class(const struct queue_target *target)
{
	return target->class;
}

void queue_remove_entry(struct queue *queue, struct queue_target *target, struct queue_entry *entry)
{
	struct queue_entry **link = &target->entries;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	free_entry(queue, target, entry);
}

void queue_finish(struct queue *queue, struct queue_target *target, int64_t now)
{
	target->entries = target->later;
	target->later = NULL;
	target->class = QUEUE_FRESH;
	target->failing = false;
	/* Targets that only hold are worth little: never more of them than of entries. */
	if (target->count == 0 &&
	    (target->not_before <= now || queue->heap.count >= queue->capacity))
		free_target(queue, target);
	else
		start_waiting(queue, target, target->not_before);
}

void queue_defer(struct queue *queue, struct queue_target *target, int64_t due)
{
	struct queue_entry **end = &target->later;

	target->class = QUEUE_RETRY;
	target->failing = true;
	if (target->later != NULL)
		due = target->not_before;
	while (*end != NULL)
		end = &(*end)->next;
	*end = target->entries;
	target->entries = target->later;
	target->later = NULL;
	start_waiting(queue, target, due);
}

void queue_forget(struct queue *queue, struct queue_target *target)
{
	struct queue_entry *entry;

	while ((entry = target->entries) != NULL) {
		target->entries = entry->next;
		free_entry(queue, target, entry);
	}
	while ((entry = target->later) != NULL) {
		target->later = entry->next;
		free_entry(queue, target, entry);
	}
	free_target(queue, target);
}

/* Forgets the entries of one target that arrived before. */
static void expire_target(struct queue *queue, struct queue_target *target, time_t before,
			  void (*expired)(void *, const char *), void *context)
{
	struct queue_entry **link = &target->entries, *entry;

	while ((entry = *link) != NULL) {
		if (entry->arrival >= before) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		expired(context, entry->name);
		free_entry(queue, target, entry);
		if (target->state == TARGET_WAITING)
			queue->waiting--;
	}
}

/* Frees the ready targets that have no entry left. */
static void sweep_ready(struct queue *queue, struct ready_list *list)
{
	struct queue_target **link = &list->first, *target;

	while ((target = *link) != NULL) {
		if (target->count > 0) {
			link = &target->ready_next;
			continue;
		}
		*link = target->ready_next;
		free_target(queue, target);
	}
	list->last = link;
}

void queue_expire(struct queue *queue, time_t before,
		  void (*expired)(void *context, const char *name), void *context)
{
	struct queue_target *target, *next;

	for (size_t i = 0; i < queue->buckets; i++) {
		for (target = queue->by_key[i]; target != NULL; target = next) {
			next = target->hash_next;
			/* One without entries holds, which is none of this. */
			if (target->state == TARGET_IN_FLIGHT || target->count == 0)
				continue;
			expire_target(queue, target, before, expired, context);
			if (target->count > 0 || target->state != TARGET_WAITING)
				continue;
			stop_waiting(queue, target);
			free_target(queue, target);
		}
	}
	for (int i = 0; i < QUEUE_CLASSES; i++)
		sweep_ready(queue, &queue->ready[i]);
}

size_t queue_length(const struct queue *queue)
{
	return queue->length;
}

time_t queue_oldest(const struct queue *queue)
{
	time_t oldest = 0;

	for (size_t i = 0; i < queue->buckets; i++)
		for (const struct queue_entry *entry = queue->by_name[i]; entry != NULL;
		     entry = entry->hash_next)
			if (oldest == 0 || entry->arrival < oldest)
				oldest = entry->arrival;
	return oldest;
}
