/*
 * heap - items ordered by due time
 *
 * A binary heap of nodes that are embedded in the items. The heap owns only its array.
 */
#ifndef NOTIFYD_HEAP_H
#define NOTIFYD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t due;
	size_t index; /* internal */
};

struct heap {
	struct heap_node **node;
	size_t count, room;
};

void heap_init(struct heap *heap);
void heap_deinit(struct heap *heap);

/* Makes sure that this many nodes fit. False if out of memory. */
bool heap_reserve(struct heap *heap, size_t count);

/* Adds a node with its due time set. There must be room, see heap_reserve(). */
void heap_push(struct heap *heap, struct heap_node *node);
void heap_remove(struct heap *heap, struct heap_node *node);

/* The earliest one, NULL if the heap is empty. */
struct heap_node *heap_first(const struct heap *heap);

#endif
