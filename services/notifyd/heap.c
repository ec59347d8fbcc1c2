#include "heap.h"

#include <stdlib.h>

void heap_init(struct heap *heap)
{
	*heap = (struct heap){0};
}

void heap_deinit(struct heap *heap)
{
	free(heap->node);
	heap_init(heap);
}

bool heap_reserve(struct heap *heap, size_t count)
{
	struct heap_node **node;
	size_t room = heap->room == 0 ? 64 : heap->room;

	if (count <= heap->room)
		return true;
	while (room < count)
		room *= 2;
	node = realloc(heap->node, room * sizeof(struct heap_node *));
	if (node == NULL)
		return false;
	heap->node = node;
	heap->room = room;
	return true;
}

static void place(struct heap *heap, size_t index, struct heap_node *node)
{
	heap->node[index] = node;
	node->index = index;
}

/* Moves the node from the index towards the root to its place. */
static void sift_up(struct heap *heap, size_t index, struct heap_node *node)
{
	while (index > 0 && heap->node[(index - 1) / 2]->due > node->due) {
		place(heap, index, heap->node[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	place(heap, index, node);
}

/* Moves the node from the index towards the leaves to its place. */
static void sift_down(struct heap *heap, size_t index, struct heap_node *node)
{
	size_t child;

	while ((child = 2 * index + 1) < heap->count) {
		if (child + 1 < heap->count && heap->node[child + 1]->due < heap->node[child]->due)
			child++;
		if (heap->node[child]->due >= node->due)
			break;
		place(heap, index, heap->node[child]);
		index = child;
	}
	place(heap, index, node);
}

void heap_push(struct heap *heap, struct heap_node *node)
{
	heap->count++;
	sift_up(heap, heap->count - 1, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	const size_t index = node->index;
	struct heap_node *last = heap->node[--heap->count];

	if (last == node)
		return;
	if (last->due < node->due)
		sift_up(heap, index, last);
	else
		sift_down(heap, index, last);
}

struct heap_node *heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->node[0] : NULL;
}
