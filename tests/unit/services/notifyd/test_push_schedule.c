/*
 * test_push_schedule - delays, deadline, and the state kept in a file's modification time
 */
#include "support.h"

#include "schedule.h"

static void test_delays(void **state)
{
	static const unsigned int expected[] = {0, 8, 64, 512, 4096, 4096, 4096};

	(void)state;
	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(schedule_delay(i), expected[i]);
	assert_int_equal(schedule_delay(1000), 4096);
}

static void test_jitter_is_bounded(void **state)
{
	(void)state;
	for (unsigned int failures = 1; failures < 8; failures++) {
		const int64_t delay = (int64_t)schedule_delay(failures) * 1000;

		assert_int_equal(schedule_delay_jittered(failures, 0), delay);
		assert_in_range(schedule_delay_jittered(failures, UINT32_MAX),
				delay + delay / 8 - delay / 100, delay + delay / 8);
	}
	assert_int_equal(schedule_delay_jittered(0, UINT32_MAX), 0);
}

static void test_deadline(void **state)
{
	const time_t arrival = 1000000;

	(void)state;
	assert_false(schedule_expired(arrival, arrival));
	assert_false(schedule_expired(arrival, arrival + 5 * 3600 - 1));
	assert_true(schedule_expired(arrival, arrival + 5 * 3600));
	assert_false(schedule_expired(arrival, arrival - 100000));
	/* values in a file must not cause an overflow */
	assert_true(schedule_expired(INT64_MIN / 2, arrival));
	assert_false(schedule_expired(INT64_MAX, arrival));
}

static void test_state_survives(void **state)
{
	const time_t now = 1700000000;

	(void)state;
	for (unsigned int failures = 1; failures <= SCHEDULE_FAILURES_MAX; failures++) {
		const struct schedule_state written = {.failures = failures, .due = now + 500};
		const struct timespec stamp = schedule_to_stamp(&written);
		struct schedule_state read;

		schedule_from_stamp(&stamp, now, &read);
		assert_int_equal(read.failures, failures);
		assert_int_equal(read.due, now + 500);
		schedule_from_stamp(&stamp, now + 501, &read);
		assert_int_equal(read.failures, failures);
		assert_int_equal(read.due, now + 501);
	}
}

static void test_other_stamps_mean_now(void **state)
{
	const time_t now = 1700000000;
	static const struct timespec stamps[] = {
	    {1700000000, 123456789}, /* an ordinary file */
	    {1700000000, 0},         /* a file system without nanoseconds */
	    {1700099999, 999999999}, /* the clock was set back */
	    {1700099999, SCHEDULE_FAILURES_MAX + 1},
	    {0, 0},
	};
	struct schedule_state read;

	(void)state;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
		schedule_from_stamp(&stamps[i], now, &read);
		assert_int_equal(read.failures, 0);
		assert_int_equal(read.due, now);
	}
	/* failed, but due in a far future: at most the longest delay */
	schedule_from_stamp(&(struct timespec){now + 1000000, 2}, now, &read);
	assert_int_equal(read.failures, 2);
	assert_int_equal(read.due, now + 4096 + 512);
}

static void test_failures_are_capped(void **state)
{
	const struct schedule_state written = {.failures = 1000, .due = 5};
	const struct timespec stamp = schedule_to_stamp(&written);

	(void)state;
	assert_int_equal(stamp.tv_nsec, SCHEDULE_FAILURES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_delays),
	    cmocka_unit_test(test_jitter_is_bounded),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_state_survives),
	    cmocka_unit_test(test_other_stamps_mean_now),
	    cmocka_unit_test(test_failures_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
