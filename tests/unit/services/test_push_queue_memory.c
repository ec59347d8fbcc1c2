/*
 * test_push_queue_memory - the notifier's queue in memory: order, collapsing, hold, bounds
 */
#include "support.h"

#include "heap.h"
#include "queue.h"

#define ALL ((1U << QUEUE_CLASSES) - 1)

struct given {
	const char *name;
	unsigned char token; /* stands for a key */
	int64_t due;
	enum queue_class class;
	unsigned int failures;
};

static enum queue_admission add(struct queue *queue, const struct given *given, int64_t now)
{
	struct queue_item item = {
	    .name = given->name,
	    .arrival = 100,
	    .failures = given->failures,
	    .due = given->due,
	    .class = given->class,
	};

	memset(item.key, given->token, sizeof item.key);
	return queue_add(queue, &item, now);
}

static enum queue_admission add_fresh(struct queue *queue, const char *name, unsigned char token,
				      int64_t now)
{
	return add(queue, &(struct given){.name = name, .token = token, .due = now}, now);
}

static struct queue_target *next(struct queue *queue, int64_t now)
{
	enum queue_class class;

	return queue_next(queue, ALL, now, &class);
}

static size_t count(const struct queue_target *target)
{
	size_t result = 0;

	for (const struct queue_entry *entry = queue_target_entries(target); entry != NULL;
	     entry = entry->next)
		result++;
	return result;
}

/* What happens after a good answer. */
static void answer(struct queue *queue, struct queue_target *target, int64_t now)
{
	while (queue_target_entries(target) != NULL)
		queue_remove_entry(queue, target, queue_target_entries(target));
	queue_finish(queue, target, now);
}

static void test_heap_orders(void **state)
{
	enum { NODES = 1000 };
	static struct heap_node node[NODES];
	struct heap heap;
	int64_t last = INT64_MIN;
	uint32_t random = 1;

	(void)state;
	heap_init(&heap);
	assert_null(heap_first(&heap));
	assert_true(heap_reserve(&heap, NODES));
	for (size_t i = 0; i < NODES; i++) {
		random = random * 1664525 + 1013904223;
		node[i].due = random >> 20;
		heap_push(&heap, &node[i]);
	}
	for (size_t i = 0; i < NODES; i += 3)
		heap_remove(&heap, &node[i]);
	assert_int_equal(heap.count, NODES - (NODES + 2) / 3);
	while (heap_first(&heap) != NULL) {
		assert_true(heap_first(&heap)->due >= last);
		assert_int_not_equal((heap_first(&heap) - node) % 3, 0);
		last = heap_first(&heap)->due;
		heap_remove(&heap, heap_first(&heap));
	}
	heap_deinit(&heap);
}

static void test_one_token_is_one_request(void **state)
{
	struct queue *queue = queue_new(100);
	struct queue_target *target;

	(void)state;
	assert_int_equal(add_fresh(queue, "a", 1, 0), QUEUE_ADMITTED);
	assert_int_equal(add_fresh(queue, "b", 1, 0), QUEUE_ADMITTED);
	assert_int_equal(add_fresh(queue, "c", 2, 0), QUEUE_ADMITTED);
	assert_int_equal(add_fresh(queue, "b", 1, 0), QUEUE_KNOWN);
	assert_int_equal(queue_length(queue), 3);
	target = next(queue, 0);
	assert_int_equal(count(target), 2);
	assert_true(queue_knows(queue, "a"));
	answer(queue, target, 0);
	assert_false(queue_knows(queue, "a"));
	target = next(queue, 0);
	assert_int_equal(count(target), 1);
	assert_string_equal(queue_target_entries(target)->name, "c");
	assert_null(next(queue, 0));
	queue_free(&queue);
}

static void test_hold_after_request(void **state)
{
	struct queue *queue = queue_new(100);
	struct queue_target *target;

	(void)state;
	add_fresh(queue, "a", 1, 0);
	target = next(queue, 0);
	/* comes while the request is out: not part of it */
	add_fresh(queue, "b", 1, 10);
	assert_int_equal(count(target), 1);
	assert_null(next(queue, 10));
	answer(queue, target, 20);
	queue_expire(queue, 0, NULL, NULL);
	add_fresh(queue, "c", 1, 30);
	assert_null(next(queue, QUEUE_HOLD - 1));
	assert_int_equal(queue_next_due(queue, ALL, 30), QUEUE_HOLD);
	target = next(queue, QUEUE_HOLD);
	assert_int_equal(count(target), 2);
	answer(queue, target, QUEUE_HOLD);
	assert_int_equal(queue_length(queue), 0);

	/* nor is there one while the target only holds */
	queue_expire(queue, 0, NULL, NULL);
	add_fresh(queue, "held", 1, QUEUE_HOLD + 1);
	assert_null(next(queue, QUEUE_HOLD + 1));
	answer(queue, next(queue, 2 * QUEUE_HOLD), 2 * QUEUE_HOLD);

	/* the hold is over, and the target forgotten */
	assert_null(next(queue, 10 * QUEUE_HOLD));
	assert_int_equal(queue_next_due(queue, ALL, 10 * QUEUE_HOLD), INT64_MAX);
	add_fresh(queue, "d", 1, 10 * QUEUE_HOLD);
	assert_non_null(next(queue, 10 * QUEUE_HOLD));
	queue_free(&queue);
}

static void test_failed_waits(void **state)
{
	struct queue *queue = queue_new(100);
	struct queue_target *target;
	enum queue_class class;

	(void)state;
	add_fresh(queue, "a", 1, 0);
	queue_defer(queue, next(queue, 0), 8000);
	assert_null(next(queue, 7999));
	assert_int_equal(queue_next_due(queue, ALL, 5), 8000);
	target = queue_next(queue, ALL, 8000, &class);
	assert_non_null(target);
	assert_int_equal(class, QUEUE_RETRY);
	assert_int_equal(queue_target_class(target), QUEUE_RETRY);

	/* a newer message does not wait for the older one's schedule */
	queue_defer(queue, target, 100000);
	add_fresh(queue, "b", 1, 20000);
	target = next(queue, 20000);
	assert_int_equal(count(target), 2);
	/* but it takes no place of those that have not failed yet */
	assert_int_equal(queue_target_class(target), QUEUE_RETRY);

	/* nor if it came while the failing request was out */
	add_fresh(queue, "c", 1, 20001);
	queue_defer(queue, target, 200000);
	assert_null(next(queue, 20002));
	target = next(queue, 20000 + QUEUE_HOLD);
	assert_int_equal(count(target), 3);
	assert_int_equal(queue_target_class(target), QUEUE_RETRY);

	/* until it succeeds */
	answer(queue, target, 20000 + QUEUE_HOLD);
	add_fresh(queue, "d", 1, 30000);
	target = next(queue, 30000);
	assert_int_equal(queue_target_class(target), QUEUE_FRESH);
	queue_free(&queue);
}

static void test_classes_take_turns(void **state)
{
	static const char *const names[] = {"f1", "f2", "b1", "b2", "r1", "r2"};
	struct queue *queue = queue_new(100);
	unsigned int seen[QUEUE_CLASSES] = {0};
	enum queue_class class;

	(void)state;
	for (unsigned char i = 0; i < 6; i++)
		add(queue,
		    &(struct given){.name = names[i],
				    .token = i,
				    .class = (enum queue_class)(i / 2),
				    .failures = i / 4},
		    0);
	for (int i = 0; i < 3; i++) {
		assert_non_null(queue_next(queue, ALL, 0, &class));
		seen[class]++;
	}
	for (int i = 0; i < QUEUE_CLASSES; i++)
		assert_int_equal(seen[i], 1);

	/* one of them can be left out */
	for (int i = 0; i < 2; i++) {
		assert_non_null(queue_next(queue, ALL & ~(1U << QUEUE_RETRY), 0, &class));
		assert_int_not_equal(class, QUEUE_RETRY);
	}
	assert_null(queue_next(queue, ALL & ~(1U << QUEUE_RETRY), 0, &class));
	assert_int_equal(queue_next_due(queue, ALL & ~(1U << QUEUE_RETRY), 0), INT64_MAX);
	assert_int_equal(queue_next_due(queue, ALL, 7), 7);
	queue_free(&queue);
}

static void test_memory_is_bounded(void **state)
{
	struct queue *queue = queue_new(64);
	unsigned int admitted[3] = {0};
	char name[3][8];

	(void)state;
	for (unsigned char i = 0; i < 80; i++) {
		const struct given given[3] = {
		    {.name = name[0], .token = i, .class = QUEUE_BACKLOG},
		    {.name = name[1],
		     .token = 80 + i,
		     .due = 5000,
		     .class = QUEUE_RETRY,
		     .failures = 1},
		    {.name = name[2], .token = 160 + i},
		};

		for (int kind = 0; kind < 3; kind++)
			snprintf(name[kind], sizeof name[kind], "%d-%d", kind, i);
		/* what was announced comes after the others filled their part */
		for (int kind = 0; kind < 2; kind++)
			admitted[kind] += add(queue, &given[kind], 0) == QUEUE_ADMITTED;
		if (i >= 40)
			admitted[2] += add(queue, &given[2], 0) == QUEUE_ADMITTED;
	}
	assert_int_equal(admitted[0], 64 / 4);
	assert_int_equal(admitted[1], 64 / 2);
	assert_int_equal(admitted[2], 64 / 4);
	assert_int_equal(queue_length(queue), 64);
	queue_free(&queue);
}

static void test_forgotten_can_come_back(void **state)
{
	struct queue *queue = queue_new(100);
	struct queue_target *target;

	(void)state;
	add_fresh(queue, "a", 1, 0);
	target = next(queue, 0);
	add_fresh(queue, "b", 1, 0);
	queue_forget(queue, target);
	assert_int_equal(queue_length(queue), 0);
	assert_int_equal(add_fresh(queue, "a", 1, 0), QUEUE_ADMITTED);
	assert_int_equal(count(next(queue, 0)), 1);
	queue_free(&queue);
}

static void count_expired(void *context, const char *name)
{
	assert_int_equal(name[0], 'o');
	(*(unsigned int *)context)++;
}

static void test_expiry(void **state)
{
	static const struct {
		const char *name;
		time_t arrival;
		int64_t due;
	} entries[] = {
	    {"o-ready", 10, 0},    {"n-ready", 50, 0},  {"o-waits", 20, 9000},
	    {"n-waits", 40, 9000}, {"o-shared", 10, 0}, {"n-shared", 60, 0},
	};
	struct queue *queue = queue_new(100);
	unsigned int expired = 0, sent = 0;
	struct queue_target *target;

	(void)state;
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		struct queue_item item = {.name = entries[i].name,
					  .arrival = entries[i].arrival,
					  .due = entries[i].due,
					  .class = QUEUE_BACKLOG};

		memset(item.key, i == 5 ? 4 : (int)i, sizeof item.key);
		assert_int_equal(queue_add(queue, &item, 0), QUEUE_ADMITTED);
	}
	assert_int_equal(queue_oldest(queue), 10);
	queue_expire(queue, 30, count_expired, &expired);
	assert_int_equal(expired, 3);
	assert_int_equal(queue_length(queue), 3);
	assert_int_equal(queue_oldest(queue), 40);
	while ((target = next(queue, 9000)) != NULL) {
		sent++;
		assert_int_equal(count(target), 1);
		answer(queue, target, 9000);
	}
	assert_int_equal(sent, 3);
	assert_int_equal(queue_oldest(queue), 0);
	queue_free(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_heap_orders),
	    cmocka_unit_test(test_one_token_is_one_request),
	    cmocka_unit_test(test_hold_after_request),
	    cmocka_unit_test(test_failed_waits),
	    cmocka_unit_test(test_classes_take_turns),
	    cmocka_unit_test(test_memory_is_bounded),
	    cmocka_unit_test(test_forgotten_can_come_back),
	    cmocka_unit_test(test_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
