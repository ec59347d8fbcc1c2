/*
 * test_push_gate - slow start, slow requests, closing, probing, opening
 */
#include "support.h"

#include "gate.h"

#define WINDOW 100
#define TOTAL  256

static struct gate open_gate(void)
{
	struct gate gate;

	gate_init(&gate, WINDOW, TOTAL);
	return gate;
}

static void close_gate(struct gate *gate, int64_t now)
{
	for (int i = 1; i < GATE_FAILURES; i++)
		assert_false(gate_failure(gate, now + i, now + i, 0, 0));
	assert_true(gate_failure(gate, now + GATE_FAILURES, now + GATE_FAILURES, 0, 0));
}

static void test_slow_start(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	assert_int_equal(gate_allowance(&gate, 0, 0, 0), GATE_WINDOW_START);
	assert_int_equal(gate_allowance(&gate, GATE_WINDOW_START, 0, 0), 0);
	for (int i = 0; i < 10; i++)
		assert_false(gate_success(&gate));
	assert_int_equal(gate_allowance(&gate, 0, 0, 0), GATE_WINDOW_START + 10);
	for (int i = 0; i < 1000; i++)
		gate_success(&gate);
	assert_int_equal(gate_allowance(&gate, 0, 0, 0), WINDOW);
}

static void test_slow_requests_do_not_count(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	assert_int_equal(gate_allowance(&gate, 50, 50, 0), GATE_WINDOW_START);
	assert_int_equal(gate_allowance(&gate, TOTAL - 2, TOTAL - 2, 0), 2);
	assert_int_equal(gate_allowance(&gate, TOTAL, TOTAL, 0), 0);
}

static void test_bounds_shrink(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	for (int i = 0; i < 1000; i++)
		gate_success(&gate);
	gate_set_bounds(&gate, 16, 16);
	assert_int_equal(gate_allowance(&gate, 0, 0, 0), 16);
	assert_int_equal(gate_allowance(&gate, 16, 10, 0), 0);
}

static void test_single_failures_do_not_close(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_false(gate_failure(&gate, i, i, 0, 0));
		assert_false(gate_success(&gate));
	}
	assert_false(gate.closed);
}

static void test_simultaneous_failures_count_once(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	for (int i = 0; i < 1000; i++)
		gate_success(&gate);
	/* a connection breaks under a hundred requests */
	for (int i = 0; i < 100; i++)
		assert_false(gate_failure(&gate, 1000 + i, 2000, 0, 0));
	assert_int_equal(gate.failures, 1);
	assert_int_equal(gate_allowance(&gate, 0, 0, 2000), WINDOW / 2);
	/* and the requests started since then break, too */
	assert_false(gate_failure(&gate, 2001, 2100, 0, 0));
	assert_int_equal(gate.failures, 2);
	assert_int_equal(gate_allowance(&gate, 0, 0, 2100), WINDOW / 4);
	for (int i = 0; i < 4; i++)
		gate_failure(&gate, 3000 + i, 3000 + i, 0, 0);
	assert_int_equal(gate_allowance(&gate, 0, 0, 4000), GATE_WINDOW_START);
	assert_false(gate.closed);
}

static void test_probes_get_rarer(void **state)
{
	struct gate gate = open_gate();
	int64_t now = 1000, last = 0, wait;

	(void)state;
	close_gate(&gate, now);
	assert_int_equal(gate_allowance(&gate, 0, 0, now), 0);
	for (int i = 0; i < 6; i++) {
		wait = gate.probe_at - now;
		assert_true(wait >= last && wait <= 64000 + 16000);
		last = wait;
		now = gate.probe_at;
		/* one, and only when no other is in flight */
		assert_int_equal(gate_allowance(&gate, 0, 0, now), 1);
		assert_int_equal(gate_allowance(&gate, 1, 1, now), 0);
		gate_probe_started(&gate, now, 0);
		assert_int_equal(gate_allowance(&gate, 0, 0, now), 0);
		assert_false(gate_failure(&gate, now, now, 0, 0));
	}
	assert_true(last >= 64000);
}

static void test_opening_starts_small(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	for (int i = 0; i < 1000; i++)
		gate_success(&gate);
	close_gate(&gate, 0);
	gate_probe_started(&gate, gate.probe_at, 0);
	assert_true(gate_success(&gate));
	assert_int_equal(gate_allowance(&gate, 0, 0, 0), GATE_WINDOW_START + 1);
	/* the next closing begins with the short delay again */
	close_gate(&gate, 0);
	assert_in_range(gate.probe_at, 8000, 10000 + GATE_FAILURES);
}

static void test_retry_after(void **state)
{
	struct gate gate = open_gate();

	(void)state;
	assert_true(gate_failure(&gate, 0, 0, 30000, 0));
	assert_int_equal(gate_allowance(&gate, 0, 0, 29999), 0);
	assert_int_equal(gate_allowance(&gate, 0, 0, 30000), 1);
	/* bounded, whatever Retry-After says */
	assert_false(gate_failure(&gate, 0, 0, INT64_MAX, UINT32_MAX));
	assert_in_range(gate.probe_at, 600000, 750000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slow_start),
	    cmocka_unit_test(test_slow_requests_do_not_count),
	    cmocka_unit_test(test_bounds_shrink),
	    cmocka_unit_test(test_single_failures_do_not_close),
	    cmocka_unit_test(test_simultaneous_failures_count_once),
	    cmocka_unit_test(test_probes_get_rarer),
	    cmocka_unit_test(test_opening_starts_small),
	    cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
