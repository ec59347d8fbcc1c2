/*
 * test_backends - the backend of an account
 */
#include "support.h"

#include "backends.h"

#define ACCOUNTS 12000
#define MOST     8

static int first(const char *list, size_t number, char host_r[CM_BACKEND_HOST_SIZE])
{
	char hosts[MOST][CM_BACKEND_HOST_SIZE], address[64];
	int best;
	size_t count;

	snprintf(address, sizeof(address), "user%06zu@relay.test", number);
	count = cm_backend_list_rank(list, address, hosts, MOST, &best);
	assert_in_range(count, 1, MOST);
	if (best >= 0)
		memcpy(host_r, hosts[best], sizeof(hosts[best]));
	return best;
}

static void test_evenly(void **state)
{
	size_t counts[4] = {0};

	(void)state;
	for (size_t i = 0; i < ACCOUNTS; i++) {
		char host[CM_BACKEND_HOST_SIZE];

		assert_int_equal(first("10.0.0.1 10.0.0.2, 2001:db8::3,10.0.0.4", i, host), 0);
		counts[strcmp(host, "2001:db8::3") == 0 ? 2 : host[7] - '1']++;
	}
	/* Five standard deviations. */
	for (size_t i = 0; i < 4; i++)
		assert_in_range(counts[i], ACCOUNTS / 4 - 240, ACCOUNTS / 4 + 240);
}

static void test_adding_moves_to_the_new_one_alone(void **state)
{
	size_t moved = 0;

	(void)state;
	for (size_t i = 0; i < ACCOUNTS; i++) {
		char before[CM_BACKEND_HOST_SIZE], after[CM_BACKEND_HOST_SIZE];

		(void)first("10.0.0.1 10.0.0.2 10.0.0.3", i, before);
		(void)first("10.0.0.4 10.0.0.3 10.0.0.1 10.0.0.2", i, after);
		if (strcmp(before, after) == 0)
			continue;
		assert_string_equal(after, "10.0.0.4");
		moved++;
	}
	assert_in_range(moved, ACCOUNTS / 4 - 240, ACCOUNTS / 4 + 240);
}

static void test_draining(void **state)
{
	char hosts[MOST][CM_BACKEND_HOST_SIZE];
	bool second = false;
	int best;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		char host[CM_BACKEND_HOST_SIZE];

		/* It still gets its turn. */
		second |= first("10.0.0.1 -10.0.0.2", i, host) == 1;
		assert_string_equal(host, "10.0.0.1");
	}
	assert_true(second);
	assert_int_equal(cm_backend_list_rank("-10.0.0.1", "a@relay.test", hosts, MOST, &best), 1);
	assert_int_equal(best, -1);
}

/* Fronts of different versions must agree. */
static void test_the_order_is_fixed(void **state)
{
	char hosts[MOST][CM_BACKEND_HOST_SIZE];
	int best;

	(void)state;
	assert_int_equal(cm_backend_list_rank("10.0.0.1 10.0.0.2 10.0.0.3", "fixed@relay.test",
					      hosts, MOST, &best),
			 3);
	assert_string_equal(hosts[0], "10.0.0.2");
}

static void test_valid(void **state)
{
	static const char *const good[] = {"", " ", "10.0.0.1", "10.0.0.1 -::1",
					   "10.0.0.1,10.0.0.2"};
	static const char *const bad[] = {"host", "10.0.0",     "--10.0.0.1",
					  "-",    "10.0.0.1 x", "10.0.0.1:143"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(cm_backend_list_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cm_backend_list_valid(bad[i]));
}

static void test_notes(void **state)
{
	struct cm_config *config = test_config(*state, "backends = 127.0.0.1\n");
	char host[CM_BACKEND_HOST_SIZE];
	struct cm_address address;
	struct cm_error err;

	assert_true(cm_address_parse("alice@relay.test", 16, &address));
	assert_true(cm_backends_note(config, &address, NULL, &err));
	assert_true(cm_backends_note(config, &address, "10.0.0.9", &err));
	assert_int_equal(cm_backends_find(config, &address, host, &err), CM_ACCOUNT_OK);
	assert_string_equal(host, "10.0.0.9");
	assert_true(cm_backends_note(config, &address, "-10.0.0.9", &err));
	assert_int_equal(cm_backends_find(config, &address, host, &err), CM_ACCOUNT_TROUBLE);
	assert_non_null(strstr(err.text, "being moved"));
	assert_string_equal(host, "10.0.0.9");
	assert_true(cm_backends_note(config, &address, NULL, &err));
	/* No server listens there. */
	assert_int_equal(cm_backends_find(config, &address, host, &err), CM_ACCOUNT_TROUBLE);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	cm_config_free(&config);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_evenly),   TEST(test_adding_moves_to_the_new_one_alone),
	    TEST(test_draining), TEST(test_the_order_is_fixed),
	    TEST(test_valid),    TEST(test_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
