/*
 * test_rate_limit - bursts, steady rates, a million senders, threads
 */
#include "support.h"

#include "rate_limit.h"

#include <pthread.h>
#include <stdatomic.h>

#define SECOND 1000000000ULL

static int setup(void **state)
{
	*state = cm_rate_limit_new(NULL);
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct cm_rate_limit *limit = *state;

	cm_rate_limit_free(&limit);
	assert_null(limit);
	return 0;
}

static unsigned int take_many(struct cm_rate_limit *limit, const char *key, unsigned int rate,
			      unsigned int burst, uint64_t now)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < 1000; i++)
		taken += cm_rate_limit_take(limit, key, rate, burst, now);
	return taken;
}

static void a_burst_and_then_one_a_period(void **state)
{
	uint64_t start = 1000 * SECOND;

	assert_int_equal(take_many(*state, "a@x", 60, 10, start), 10);
	assert_false(cm_rate_limit_take(*state, "a@x", 60, 10, start + SECOND - 1));
	assert_true(cm_rate_limit_take(*state, "a@x", 60, 10, start + SECOND));
	assert_false(cm_rate_limit_take(*state, "a@x", 60, 10, start + SECOND));
	assert_int_equal(take_many(*state, "a@x", 60, 10, start + 4 * SECOND), 3);
	assert_int_equal(take_many(*state, "a@x", 60, 10, start + 3600 * SECOND), 10);
}

/* Refused attempts cost nothing: a sender who waits may send, however often it tried. */
static void refused_attempts_do_not_count(void **state)
{
	uint64_t start = 1000 * SECOND;

	assert_int_equal(take_many(*state, "a@x", 60, 1, start), 1);
	assert_int_equal(take_many(*state, "a@x", 60, 1, start + SECOND / 2), 0);
	assert_true(cm_rate_limit_take(*state, "a@x", 60, 1, start + SECOND));
}

static void the_rate_per_minute_is_kept(void **state)
{
	unsigned int taken = 0;

	for (uint64_t ms = 0; ms < 600000; ms += 10)
		taken += cm_rate_limit_take(*state, "a@x", 60, 10, 1000 * SECOND + ms * 1000000);
	/* Ten minutes of 60, and the burst before. */
	assert_in_range(taken, 600, 610);
}

static void senders_do_not_disturb_each_other(void **state)
{
	assert_int_equal(take_many(*state, "a@x", 60, 10, SECOND), 10);
	assert_int_equal(take_many(*state, "b@x", 60, 10, SECOND), 10);
	assert_int_equal(take_many(*state, "", 60, 10, SECOND), 10);
	assert_int_equal(take_many(*state, "12345678", 60, 10, SECOND), 10);
	assert_int_equal(take_many(*state, "1234567", 60, 10, SECOND), 10);
}

static void odd_settings(void **state)
{
	assert_int_equal(take_many(*state, "a@x", 0, 10, SECOND), 1000);
	assert_int_equal(take_many(*state, "b@x", 60, 0, SECOND), 1);
	assert_int_equal(take_many(*state, "c@x", 4000000000U, 1000, SECOND), 1000);
	assert_int_equal(take_many(*state, "d@x", 1, 1, SECOND), 1);
	assert_false(cm_rate_limit_take(*state, "d@x", 1, 1, 60 * SECOND));
	assert_true(cm_rate_limit_take(*state, "d@x", 1, 1, 61 * SECOND));
}

/* More senders at once than the table has places: all of them may send, almost none exceeds
   its rate, and no memory is added. */
static void a_million_senders(void **state)
{
	unsigned int first = 0, again = 0;
	char key[32];

	for (unsigned int i = 0; i < 1000000; i++) {
		snprintf(key, sizeof(key), "user%u@relay.test", i);
		first += cm_rate_limit_take(*state, key, 60, 1, 1000 * SECOND);
	}
	assert_int_equal(first, 1000000);
	/* Senders that were forgotten may send again: the table remembers at least as many as
	   it has places. */
	for (unsigned int i = 900000; i < 1000000; i++) {
		snprintf(key, sizeof(key), "user%u@relay.test", i);
		again += cm_rate_limit_take(*state, key, 60, 1, 1000 * SECOND);
	}
	assert_true(again < 100000);
}

struct worker {
	struct cm_rate_limit *limit;
	atomic_uint taken;
};

static void *work(void *context)
{
	struct worker *worker = context;

	for (unsigned int i = 0; i < 100000; i++) {
		if (cm_rate_limit_take(worker->limit, "a@x", 60, 100, SECOND))
			atomic_fetch_add(&worker->taken, 1);
	}
	return NULL;
}

static void threads_share_the_count(void **state)
{
	struct worker worker = {.limit = *state};
	pthread_t threads[4];

	atomic_init(&worker.taken, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &worker), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&worker.taken), 100);
}

static void owners_share_the_table(void **state)
{
	struct cm_rate_limit *other = cm_rate_limit_share(*state);

	assert_int_equal(take_many(*state, "a@x", 60, 10, SECOND), 10);
	assert_int_equal(take_many(other, "a@x", 60, 10, SECOND), 0);
	cm_rate_limit_free(&other);
	assert_int_equal(take_many(*state, "a@x", 60, 10, SECOND), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_burst_and_then_one_a_period, setup, teardown),
	    cmocka_unit_test_setup_teardown(refused_attempts_do_not_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_rate_per_minute_is_kept, setup, teardown),
	    cmocka_unit_test_setup_teardown(senders_do_not_disturb_each_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(odd_settings, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_million_senders, setup, teardown),
	    cmocka_unit_test_setup_teardown(threads_share_the_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(owners_share_the_table, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
