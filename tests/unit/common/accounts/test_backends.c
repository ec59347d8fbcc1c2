/*
 * test_backends - the backend of an account
 */
#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend_client.h"
#include "backend_outage.h"
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

static void test_a_record_is_only_a_hint(void **state)
{
	struct cm_config *config = test_config(*state, "backends = 127.0.0.1\n");
	char host[CM_BACKEND_HOST_SIZE];
	struct cm_address address;
	struct cm_error err;

	assert_true(cm_address_parse("alice@relay.test", 16, &address));
	assert_true(cm_backends_note(config, &address, NULL, &err));
	assert_true(cm_backends_note(config, &address, "127.0.0.9", &err));
	/* No server listens at either. */
	assert_int_equal(cm_backends_find(config, &address, host, &err), CM_ACCOUNT_TROUBLE);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	assert_true(cm_backends_note(config, &address, NULL, &err));
	assert_int_equal(cm_backends_find(config, &address, host, &err), CM_ACCOUNT_TROUBLE);
	cm_config_free(&config);
}

/* Makes a link old. */
static void age(const struct cm_config *config, const char *name, time_t seconds)
{
	struct timespec times[2] = {{.tv_sec = time(NULL) - seconds},
				    {.tv_sec = time(NULL) - seconds}};
	char path[512];

	snprintf(path, sizeof(path), "%s/" CM_BACKENDS_MAP_DIR "/%s", config->mailboxes_dir, name);
	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_a_link_blocks_an_account(void **state)
{
	struct cm_config *config = test_config(*state, "backend_listen = 127.0.0.1\n");
	struct cm_config *other = test_config(*state, "");
	struct cm_address address;
	struct cm_error err;

	assert_true(cm_address_parse("alice@relay.test", 16, &address));
	assert_false(cm_backends_blocked(config, &address));
	assert_int_equal(cm_account_create(config, &address, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	assert_true(cm_backends_note(config, &address, "10.0.0.9", &err));
	assert_true(cm_backends_blocked(config, &address));
	/* Only backends have such links. */
	assert_false(cm_backends_blocked(other, &address));
	/* As long as the account is here. */
	age(config, address.text, 2 * CM_BACKENDS_LEFT);
	assert_true(cm_backends_blocked(config, &address));
	cm_config_free(&other);
	cm_config_free(&config);
}

static void test_the_link_of_an_account_that_left(void **state)
{
	struct cm_config *config = test_config(*state, "backend_listen = 127.0.0.1\n");
	struct cm_address address;
	struct cm_error err;

	assert_true(cm_address_parse("alice@relay.test", 16, &address));
	assert_true(cm_backends_note(config, &address, "10.0.0.9", &err));
	age(config, address.text, CM_BACKENDS_LEFT / 2);
	assert_true(cm_backends_blocked(config, &address));
	age(config, address.text, 2 * CM_BACKENDS_LEFT);
	assert_false(cm_backends_blocked(config, &address));
	/* It is gone, so a new account is not blocked. */
	assert_int_equal(cm_account_create(config, &address, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	assert_false(cm_backends_blocked(config, &address));
	cm_config_free(&config);
}

static void test_an_outage_ends(void **state)
{
	(void)state;
	assert_false(cm_backend_outage_lasts("10.0.0.1", 100));
	cm_backend_outage_begin("10.0.0.1", 100);
	assert_true(cm_backend_outage_lasts("10.0.0.1", 100 + CM_BACKEND_OUTAGE - 1));
	assert_false(cm_backend_outage_lasts("10.0.0.1", 100 + CM_BACKEND_OUTAGE));
	assert_false(cm_backend_outage_lasts("10.0.0.2", 100));
	cm_backend_outage_begin("10.0.0.1", 200);
	assert_true(cm_backend_outage_lasts("10.0.0.1", 200));
	/* The memory is limited; what it forgets is tried again. */
	for (int i = 0; i < 100; i++) {
		char host[CM_BACKEND_HOST_SIZE];

		snprintf(host, sizeof(host), "10.0.1.%d", i);
		cm_backend_outage_begin(host, 300 + i);
	}
	assert_false(cm_backend_outage_lasts("10.0.1.0", 300));
	assert_true(cm_backend_outage_lasts("10.0.1.99", 400));
}

/* A server that accepts connections and never says a word. */
static void test_a_silent_backend_is_asked_once(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(CM_BACKEND_LMTP_PORT)};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), first;
	char host[CM_BACKEND_HOST_SIZE];
	struct cm_error err;

	(void)state;
	/* The port is fixed, so that each process that runs this test needs its own address. */
	address.sin_addr.s_addr = htonl(0x7f000000 | ((uint32_t)getpid() & 0x3fffff) << 2 | 2);
	assert_non_null(inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host)));
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server, 4), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(cm_backend_has(host, "a@relay.test", &err), CM_ACCOUNT_TROUBLE);
		assert_non_null(strstr(err.text, host));
	}
	first = accept(server, NULL, NULL);
	assert_true(first >= 0);
	assert_int_equal(accept(server, NULL, NULL), -1);
	close(first);
	close(server);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_evenly),
	    TEST(test_adding_moves_to_the_new_one_alone),
	    TEST(test_draining),
	    TEST(test_the_order_is_fixed),
	    TEST(test_valid),
	    TEST(test_a_record_is_only_a_hint),
	    TEST(test_a_link_blocks_an_account),
	    TEST(test_the_link_of_an_account_that_left),
	    TEST(test_an_outage_ends),
	    TEST(test_a_silent_backend_is_asked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
