/*
 * test_push_targets - the notifier's targets in memory: order, coalescing, hold, bounds
 */
#include "support.h"

#include "heap.h"
#include "targets.h"

#define ALL ((1U << TARGET_CLASSES) - 1)

struct given {
	const char *name;
	unsigned char token; /* stands for a key */
	int64_t due;
	enum target_class class;
	unsigned int failures;
};

static enum target_admission add(struct targets *targets, const struct given *given, int64_t now)
{
	struct target_item item = {
	    .name = given->name,
	    .arrival = 100,
	    .failures = given->failures,
	    .due = given->due,
	    .class = given->class,
	};

	memset(item.key, given->token, sizeof(item.key));
	return targets_add(targets, &item, now);
}

static enum target_admission add_fresh(struct targets *targets, const char *name,
				       unsigned char token, int64_t now)
{
	return add(targets, &(struct given){.name = name, .token = token, .due = now}, now);
}

static struct target *next(struct targets *targets, int64_t now)
{
	enum target_class class;

	return targets_next(targets, ALL, now, &class);
}

static size_t count(const struct target *target)
{
	size_t result = 0;

	for (const struct target_entry *entry = target_entries(target); entry != NULL;
	     entry = entry->next)
		result++;
	return result;
}

/* The steps after a successful reply. */
static void answer(struct targets *targets, struct target *target, int64_t now)
{
	while (target_entries(target) != NULL)
		targets_remove_entry(targets, target, target_entries(target));
	targets_finish(targets, target, now);
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
	struct targets *targets = targets_new(100);
	struct target *target;

	(void)state;
	assert_int_equal(add_fresh(targets, "a", 1, 0), TARGET_ADMITTED);
	assert_int_equal(add_fresh(targets, "b", 1, 0), TARGET_ADMITTED);
	assert_int_equal(add_fresh(targets, "c", 2, 0), TARGET_ADMITTED);
	assert_int_equal(add_fresh(targets, "b", 1, 0), TARGET_KNOWN);
	assert_int_equal(targets_length(targets), 3);
	target = next(targets, 0);
	assert_int_equal(count(target), 2);
	assert_true(targets_knows(targets, "a"));
	answer(targets, target, 0);
	assert_false(targets_knows(targets, "a"));
	target = next(targets, 0);
	assert_int_equal(count(target), 1);
	assert_string_equal(target_entries(target)->name, "c");
	assert_null(next(targets, 0));
	targets_free(&targets);
}

static void test_hold_after_request(void **state)
{
	struct targets *targets = targets_new(100);
	struct target *target;

	(void)state;
	add_fresh(targets, "a", 1, 0);
	target = next(targets, 0);
	/* arrives while the request is in flight: not part of it */
	add_fresh(targets, "b", 1, 10);
	assert_int_equal(count(target), 1);
	assert_null(next(targets, 10));
	answer(targets, target, 20);
	targets_expire(targets, 0, NULL, NULL);
	add_fresh(targets, "c", 1, 30);
	assert_null(next(targets, TARGET_HOLD - 1));
	assert_int_equal(targets_next_due(targets, ALL, 30), TARGET_HOLD);
	target = next(targets, TARGET_HOLD);
	assert_int_equal(count(target), 2);
	answer(targets, target, TARGET_HOLD);
	assert_int_equal(targets_length(targets), 0);

	/* nor while the target is only held */
	targets_expire(targets, 0, NULL, NULL);
	add_fresh(targets, "held", 1, TARGET_HOLD + 1);
	assert_null(next(targets, TARGET_HOLD + 1));
	answer(targets, next(targets, 2 * TARGET_HOLD), 2 * TARGET_HOLD);

	/* the hold is over, and the target is removed */
	assert_null(next(targets, 10 * TARGET_HOLD));
	assert_int_equal(targets_next_due(targets, ALL, 10 * TARGET_HOLD), INT64_MAX);
	add_fresh(targets, "d", 1, 10 * TARGET_HOLD);
	assert_non_null(next(targets, 10 * TARGET_HOLD));
	targets_free(&targets);
}

static void test_failed_waits(void **state)
{
	struct targets *targets = targets_new(100);
	struct target *target;
	enum target_class class;

	(void)state;
	add_fresh(targets, "a", 1, 0);
	targets_defer(targets, next(targets, 0), 8000);
	assert_null(next(targets, 7999));
	assert_int_equal(targets_next_due(targets, ALL, 5), 8000);
	target = targets_next(targets, ALL, 8000, &class);
	assert_non_null(target);
	assert_int_equal(class, TARGET_RETRY);
	assert_int_equal(target_class(target), TARGET_RETRY);

	/* a newer message does not wait for the older one's schedule */
	targets_defer(targets, target, 100000);
	add_fresh(targets, "b", 1, 20000);
	target = next(targets, 20000);
	assert_int_equal(count(target), 2);
	/* but it takes no place from targets that have not failed yet */
	assert_int_equal(target_class(target), TARGET_RETRY);

	/* nor if it arrived while the failing request was in flight */
	add_fresh(targets, "c", 1, 20001);
	targets_defer(targets, target, 200000);
	assert_null(next(targets, 20002));
	target = next(targets, 20000 + TARGET_HOLD);
	assert_int_equal(count(target), 3);
	assert_int_equal(target_class(target), TARGET_RETRY);

	/* until it succeeds */
	answer(targets, target, 20000 + TARGET_HOLD);
	add_fresh(targets, "d", 1, 30000);
	target = next(targets, 30000);
	assert_int_equal(target_class(target), TARGET_FRESH);
	targets_free(&targets);
}

static void test_classes_take_turns(void **state)
{
	static const char *const names[] = {"f1", "f2", "b1", "b2", "r1", "r2"};
	struct targets *targets = targets_new(100);
	unsigned int seen[TARGET_CLASSES] = {0};
	enum target_class class;

	(void)state;
	for (unsigned char i = 0; i < 6; i++)
		add(targets,
		    &(struct given){.name = names[i],
				    .token = i,
				    .class = (enum target_class)(i / 2),
				    .failures = i / 4},
		    0);
	for (int i = 0; i < 3; i++) {
		assert_non_null(targets_next(targets, ALL, 0, &class));
		seen[class]++;
	}
	for (int i = 0; i < TARGET_CLASSES; i++)
		assert_int_equal(seen[i], 1);

	/* one of them can be skipped */
	for (int i = 0; i < 2; i++) {
		assert_non_null(targets_next(targets, ALL & ~(1U << TARGET_RETRY), 0, &class));
		assert_int_not_equal(class, TARGET_RETRY);
	}
	assert_null(targets_next(targets, ALL & ~(1U << TARGET_RETRY), 0, &class));
	assert_int_equal(targets_next_due(targets, ALL & ~(1U << TARGET_RETRY), 0), INT64_MAX);
	assert_int_equal(targets_next_due(targets, ALL, 7), 7);
	targets_free(&targets);
}

static void test_memory_is_bounded(void **state)
{
	struct targets *targets = targets_new(64);
	unsigned int admitted[3] = {0};
	char name[3][8];

	(void)state;
	for (unsigned char i = 0; i < 80; i++) {
		const struct given given[3] = {
		    {.name = name[0], .token = i, .class = TARGET_BACKLOG},
		    {.name = name[1],
		     .token = 80 + i,
		     .due = 5000,
		     .class = TARGET_RETRY,
		     .failures = 1},
		    {.name = name[2], .token = 160 + i},
		};

		for (int kind = 0; kind < 3; kind++)
			snprintf(name[kind], sizeof(name[kind]), "%d-%d", kind, i);
		/* new targets come after the others have taken their share */
		for (int kind = 0; kind < 2; kind++)
			admitted[kind] += add(targets, &given[kind], 0) == TARGET_ADMITTED;
		if (i >= 40)
			admitted[2] += add(targets, &given[2], 0) == TARGET_ADMITTED;
	}
	assert_int_equal(admitted[0], 64 / 4);
	assert_int_equal(admitted[1], 64 / 2);
	assert_int_equal(admitted[2], 64 / 4);
	assert_int_equal(targets_length(targets), 64);
	targets_free(&targets);
}

static void test_forgotten_can_come_back(void **state)
{
	struct targets *targets = targets_new(100);
	struct target *target;

	(void)state;
	add_fresh(targets, "a", 1, 0);
	target = next(targets, 0);
	add_fresh(targets, "b", 1, 0);
	targets_forget(targets, target);
	assert_int_equal(targets_length(targets), 0);
	assert_int_equal(add_fresh(targets, "a", 1, 0), TARGET_ADMITTED);
	assert_int_equal(count(next(targets, 0)), 1);
	targets_free(&targets);
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
	struct targets *targets = targets_new(100);
	unsigned int expired = 0, sent = 0;
	struct target *target;

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct target_item item = {.name = entries[i].name,
					   .arrival = entries[i].arrival,
					   .due = entries[i].due,
					   .class = TARGET_BACKLOG};

		memset(item.key, i == 5 ? 4 : (int)i, sizeof(item.key));
		assert_int_equal(targets_add(targets, &item, 0), TARGET_ADMITTED);
	}
	assert_int_equal(targets_oldest(targets), 10);
	targets_expire(targets, 30, count_expired, &expired);
	assert_int_equal(expired, 3);
	assert_int_equal(targets_length(targets), 3);
	assert_int_equal(targets_oldest(targets), 40);
	while ((target = next(targets, 9000)) != NULL) {
		sent++;
		assert_int_equal(count(target), 1);
		answer(targets, target, 9000);
	}
	assert_int_equal(sent, 3);
	assert_int_equal(targets_oldest(targets), 0);
	targets_free(&targets);
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
