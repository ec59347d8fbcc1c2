/*
 * test_registration_limits - rates that all processes share, in bounded memory
 */
#include "support.h"

#include <arpa/inet.h>
#include <sys/wait.h>

#include "registration_limits.h"

#define NOW  (UINT64_C(2000000000) * 1000)
#define HOUR (UINT64_C(3600) * 1000)

static struct cm_source ipv4(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return cm_source_ipv4(&address);
}

static struct cm_source ipv6(const char *text)
{
	struct in6_addr address;

	assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
	return cm_source_ipv6(&address);
}

static struct cm_limits *open_limits(const char *directory)
{
	struct cm_error err = {""};
	struct cm_limits *limits = cm_limits_open(directory, &err);

	if (limits == NULL)
		fail_msg("%s", err.text);
	return limits;
}

static enum cm_rate take(struct cm_limits *limits, const struct cm_config *config,
			 struct cm_source source, uint64_t now)
{
	struct cm_error err = {""};

	return cm_limits_take(limits, config, &source, now, &err);
}

static void test_per_source(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 3\n"
						       "max_new_accounts_per_minute = 0\n");
	struct cm_limits *limits = open_limits(*state);
	struct cm_source a = ipv4("192.0.2.1"), b = ipv4("192.0.2.2");

	for (int i = 0; i < 3; i++)
		assert_int_equal(take(limits, config, a, NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, a, NOW), CM_RATE_SOURCE);
	assert_int_equal(take(limits, config, b, NOW), CM_RATE_OK);
	/* one more each twenty minutes */
	assert_int_equal(take(limits, config, a, NOW + HOUR / 3 - 1), CM_RATE_SOURCE);
	assert_int_equal(take(limits, config, a, NOW + HOUR / 3), CM_RATE_OK);
	assert_int_equal(take(limits, config, a, NOW + HOUR / 3), CM_RATE_SOURCE);
	/* all of them after a whole hour */
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(limits, config, a, NOW + 3 * HOUR), CM_RATE_OK);
	assert_int_equal(take(limits, config, a, NOW + 3 * HOUR), CM_RATE_SOURCE);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

static void test_total(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n"
						       "max_new_accounts_per_minute = 2\n");
	struct cm_limits *limits = open_limits(*state);

	assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW), CM_RATE_OK);
	/* a refusal by one rate is not counted by the other */
	for (int i = 0; i < 10; i++)
		assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW), CM_RATE_SOURCE);
	assert_int_equal(take(limits, config, ipv4("192.0.2.2"), NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, ipv4("192.0.2.3"), NOW), CM_RATE_TOTAL);
	assert_int_equal(take(limits, config, ipv4("192.0.2.3"), NOW + 30000), CM_RATE_OK);
	/* a client of unknown address counts only for the total */
	assert_int_equal(take(limits, config, (struct cm_source){.length = 0}, NOW + 60000),
			 CM_RATE_OK);
	assert_int_equal(take(limits, config, (struct cm_source){.length = 0}, NOW + 90000),
			 CM_RATE_OK);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

static void test_sources(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n");
	struct cm_limits *limits = open_limits(*state);

	assert_int_equal(take(limits, config, ipv6("2001:db8:1:2::1"), NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, ipv6("2001:db8:1:2:ffff::9"), NOW), CM_RATE_SOURCE);
	assert_int_equal(take(limits, config, ipv6("2001:db8:1:3::1"), NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, ipv6("::ffff:192.0.2.7"), NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, ipv4("192.0.2.7"), NOW), CM_RATE_SOURCE);
	/* the first four bytes of an IPv6 address are not an IPv4 address */
	assert_int_equal(take(limits, config, ipv6("c000:208::"), NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, ipv4("192.0.2.8"), NOW), CM_RATE_OK);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

static void test_give_back(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n"
						       "max_new_accounts_per_minute = 1\n");
	struct cm_limits *limits = open_limits(*state);
	struct cm_source source = ipv4("192.0.2.1");

	for (int i = 0; i < 10; i++) {
		assert_int_equal(take(limits, config, source, NOW), CM_RATE_OK);
		cm_limits_give_back(limits, config, &source);
	}
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_SOURCE);
	/* a use that was never taken cannot be given back */
	source = ipv4("192.0.2.2");
	cm_limits_give_back(limits, config, &source);
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_SOURCE);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

/* Refused attempts from a million sources neither grow the file nor reset a rate. */
static void test_flood(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n"
						       "max_new_accounts_per_minute = 10\n");
	struct cm_limits *limits = open_limits(*state);
	char *path = test_path(*state, CM_LIMITS_FILE);
	struct cm_source source = {.length = 8};
	struct stat before, after;
	int granted = 0;

	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW), CM_RATE_OK);
	for (uint32_t i = 0; i < 1000000; i++) {
		memcpy(source.bytes, &i, sizeof(i));
		granted += take(limits, config, source, NOW + i / 1000) == CM_RATE_OK;
	}
	assert_int_equal(granted, 9);
	assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW + 60000), CM_RATE_SOURCE);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	free(path);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

/* More sources than places: the oldest are forgotten, and none is refused for lack of a place. */
static void test_more_sources_than_places(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n"
						       "max_new_accounts_per_minute = 0\n");
	struct cm_limits *limits = open_limits(*state);
	struct cm_source source = {.length = 8};

	for (uint32_t i = 0; i < 4 * CM_LIMITS_SOURCES; i++) {
		memcpy(source.bytes, &i, sizeof(i));
		assert_int_equal(take(limits, config, source, NOW + i), CM_RATE_OK);
	}
	for (uint32_t i = 4 * CM_LIMITS_SOURCES - 1000; i < 4 * CM_LIMITS_SOURCES; i++) {
		memcpy(source.bytes, &i, sizeof(i));
		assert_int_equal(take(limits, config, source, NOW + 4 * CM_LIMITS_SOURCES),
				 CM_RATE_SOURCE);
	}
	cm_limits_close(&limits);
	cm_config_free(&config);
}

static void test_processes_share(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 100\n"
						       "max_new_accounts_per_minute = 0\n");
	struct cm_source source = ipv4("192.0.2.1");
	struct cm_error err = {""};
	struct cm_limits *limits;
	int granted = 0, status;
	pid_t pid[8];

	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			int mine = 0;

			limits = cm_limits_open(*state, &err);
			for (int j = 0; limits != NULL && j < 100; j++)
				mine += cm_limits_take(limits, config, &source, NOW, &err) ==
					CM_RATE_OK;
			_exit(limits == NULL ? 255 : mine);
		}
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
		granted += WEXITSTATUS(status);
	}
	assert_int_equal(granted, 100);
	cm_config_free(&config);
}

static void test_foreign_file_is_replaced(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n");
	struct cm_limits *limits;
	char *path = test_path(*state, CM_LIMITS_FILE);
	struct stat st;

	test_write_text(*state, CM_LIMITS_FILE, "of another version");
	limits = open_limits(*state);
	assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW), CM_RATE_OK);
	cm_limits_close(&limits);
	/* the state survives the processes */
	limits = open_limits(*state);
	assert_int_equal(take(limits, config, ipv4("192.0.2.1"), NOW), CM_RATE_SOURCE);
	cm_limits_close(&limits);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	limits = open_limits(*state);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	cm_limits_close(&limits);
	assert_int_equal(unlink(path), 0);
	free(path);
	cm_config_free(&config);
}

/* A clock that was wrong when the file was written does not block registration. */
static void test_clock_set_back(void **state)
{
	struct cm_config *config = test_config(*state, "max_new_accounts_per_ip_per_hour = 1\n"
						       "max_new_accounts_per_minute = 1\n");
	struct cm_limits *limits = open_limits(*state);
	struct cm_source source = ipv4("192.0.2.1");

	assert_int_equal(take(limits, config, source, NOW + 1000 * HOUR), CM_RATE_OK);
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_OK);
	assert_int_equal(take(limits, config, source, NOW), CM_RATE_SOURCE);
	cm_limits_close(&limits);
	cm_config_free(&config);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_per_source),      TEST(test_total),
	    TEST(test_sources),         TEST(test_give_back),
	    TEST(test_flood),           TEST(test_more_sources_than_places),
	    TEST(test_processes_share), TEST(test_foreign_file_is_replaced),
	    TEST(test_clock_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
