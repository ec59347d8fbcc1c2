/*
 * test_routes - how long a domain is left to SMTP, and which domains are forgotten
 */
#include "support.h"

#include "route.h"

static int make_table(void **state)
{
	*state = route_table_new();
	return *state != NULL ? 0 : -1;
}

static int free_table(void **state)
{
	struct route_table *table = *state;

	route_table_free(&table);
	return 0;
}

/* Asserts that a failure at this time leaves the domain to SMTP for so many seconds; returns their
   end. */
static int64_t leave(struct route_table *table, int64_t now, int64_t seconds)
{
	route_learn(table, "a.test", ROUTE_SMTP, now);
	assert_int_equal(route_find(table, "a.test", now + seconds - 1), ROUTE_SMTP);
	assert_int_equal(route_find(table, "a.test", now + seconds), ROUTE_UNKNOWN);
	return now + seconds;
}

static void test_a_probe_proves_nothing(void **state)
{
	int64_t now = 5;

	for (int i = 0; i < 3; i++) {
		route_learn(*state, "a.test", ROUTE_HTTPS, now);
		assert_int_equal(route_find(*state, "a.test", now + 1000000), ROUTE_HTTPS);
		now = leave(*state, now, ROUTE_SMTP_SECONDS);
	}
}

static void test_a_peer_that_accepted_mail_is_tried_again_soon(void **state)
{
	int64_t now = 5;

	route_accepted(*state, "a.test", now);
	for (int64_t seconds = ROUTE_RETRY_SECONDS; seconds < ROUTE_SMTP_SECONDS; seconds *= 2) {
		now = leave(*state, now, seconds);
		route_learn(*state, "a.test", ROUTE_PROBING, now);
		route_learn(*state, "a.test", ROUTE_HTTPS, now);
		assert_int_equal(route_find(*state, "a.test", now), ROUTE_HTTPS);
	}
	now = leave(*state, now, ROUTE_SMTP_SECONDS);
	now = leave(*state, now, ROUTE_SMTP_SECONDS);
	route_accepted(*state, "a.test", now);
	assert_int_equal(route_find(*state, "a.test", now), ROUTE_HTTPS);
	leave(*state, now, ROUTE_RETRY_SECONDS);
}

static void test_failures_at_the_same_time_are_one(void **state)
{
	route_accepted(*state, "a.test", 5);
	for (int64_t now = 5; now < 5 + ROUTE_RETRY_SECONDS; now++)
		route_learn(*state, "a.test", ROUTE_SMTP, now);
	assert_int_equal(route_find(*state, "a.test", 5 + ROUTE_RETRY_SECONDS), ROUTE_UNKNOWN);
}

/* Each would take a place of the proven peer's bucket. */
static void test_other_domains_do_not_make_it_forgotten(void **state)
{
	char domain[32];

	route_accepted(*state, "a.test", 5);
	route_learn(*state, "a.test", ROUTE_SMTP, 6);
	for (int i = 0; i < 100000; i++) {
		snprintf(domain, sizeof(domain), "%d.test", i);
		route_learn(*state, domain, ROUTE_SMTP, 7);
	}
	assert_int_equal(route_find(*state, "a.test", 8), ROUTE_SMTP);
	leave(*state, 6 + ROUTE_RETRY_SECONDS, ROUTE_RETRY_SECONDS * 2);
	/* The places of others are given away with all that they held. */
	for (int i = 0; i < 100000; i++) {
		snprintf(domain, sizeof(domain), "%d.test", i);
		route_accepted(*state, domain, 1000);
	}
	assert_int_equal(route_find(*state, "a.test", 67), ROUTE_UNKNOWN);
	leave(*state, 1001, ROUTE_SMTP_SECONDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_probe_proves_nothing, make_table, free_table),
	    cmocka_unit_test_setup_teardown(test_a_peer_that_accepted_mail_is_tried_again_soon,
					    make_table, free_table),
	    cmocka_unit_test_setup_teardown(test_failures_at_the_same_time_are_one, make_table,
					    free_table),
	    cmocka_unit_test_setup_teardown(test_other_domains_do_not_make_it_forgotten, make_table,
					    free_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
