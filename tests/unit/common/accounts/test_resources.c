/*
 * test_resources - refusing new accounts on a busy or full machine
 */
#include "support.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "resources.h"

#define LOAD_OFF   "max_load_1m = 0\n"
#define MEMORY_OFF "min_available_memory = 0\n"
#define DISK_OFF   "min_free_disk_space = 0\n"

static void assert_resources(const char *directory, const char *ini, enum cm_resource expected,
			     const char *why)
{
	struct cm_config *config = test_config(directory, ini);
	struct cm_error err = {""};

	assert_int_equal(cm_resources_check(config, &err), expected);
	if (strncmp(err.text, why, strlen(why)) != 0)
		fail_msg("%s", err.text);
	assert_true((*err.text == '\0') == (expected == CM_RESOURCE_OK));
	cm_config_free(&config);
}

static void test_limits(void **state)
{
	assert_resources(*state, LOAD_OFF MEMORY_OFF DISK_OFF, CM_RESOURCE_OK, "");
	assert_resources(*state,
			 "max_load_1m = 100000\nmin_available_memory = 1M\n"
			 "min_free_disk_space = 1M\n",
			 CM_RESOURCE_OK, "");
	assert_resources(*state, LOAD_OFF DISK_OFF "min_available_memory = 100000G\n",
			 CM_RESOURCE_MEMORY, "min_available_memory = 100000G is not met: ");
	assert_resources(*state, LOAD_OFF MEMORY_OFF "min_free_disk_space = 10000000G\n",
			 CM_RESOURCE_DISK, "min_free_disk_space = 10000000G is not met: ");
}

/* The load of a busy machine grows with its processors. */
static void test_load_is_of_each_processor(void **state)
{
	double load, limit;
	char ini[128];

	assert_int_equal(getloadavg(&load, 1), 1);
	if (load < 0.5)
		skip();
	limit = load / (double)sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(ini, sizeof(ini), MEMORY_OFF DISK_OFF "max_load_1m = %.4f\n", limit / 4);
	assert_resources(*state, ini, CM_RESOURCE_LOAD, "max_load_1m = ");
	snprintf(ini, sizeof(ini), MEMORY_OFF DISK_OFF "max_load_1m = %.4f\n", limit * 4);
	assert_resources(*state, ini, CM_RESOURCE_OK, "");
}

/* A file system with many small files may run out of inodes before it runs out of bytes. */
static void test_inodes(void **state)
{
	const char *directory = *state;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("test", directory, "tmpfs", 0, "size=64M,nr_inodes=1000") != 0)
		skip();
	assert_resources(directory, LOAD_OFF MEMORY_OFF "min_free_disk_space = 10M\n",
			 CM_RESOURCE_OK, "");
	assert_resources(directory, LOAD_OFF MEMORY_OFF "min_free_disk_space = 32M\n",
			 CM_RESOURCE_INODES, "min_free_disk_space = 32M is not met: 9");
	assert_int_equal(umount(directory), 0);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_limits),
	    TEST(test_load_is_of_each_processor),
	    TEST(test_inodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
