/*
 * test_stats - the shared mapping: concurrent use, survival, replacement
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stats.h"

#define PROCESSES  6
#define INCREMENTS 200000
#define ROUNDS     50

struct place {
	char dir[64];
	char path[96];
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	strcpy(place->dir, "/tmp/test_stats.XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->path, sizeof(place->path), "%s/stats", place->dir);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	int result = rmdir(place->dir); /* fails if a temporary file was left */
	free(place);
	return result;
}

static struct cm_stats *must_open(const struct place *place)
{
	struct cm_error err = {""};
	struct cm_stats *stats = cm_stats_open(place->dir, &err);

	if (stats == NULL)
		fail_msg("%s", err.text);
	return stats;
}

static ino_t inode(const struct place *place)
{
	struct stat st;

	assert_int_equal(lstat(place->path, &st), 0);
	return st.st_ino;
}

static void wait_for_all(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

/* Counts in PROCESSES processes that start together: they wait for the end of a pipe, because
   otherwise the first would finish before the last begins. Each opens the file itself. */
static void count_together(const struct place *place, unsigned int increments)
{
	int start[2];
	char byte;

	assert_int_equal(pipe(start), 0);
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		close(start[1]);
		if (read(start[0], &byte, 1) != 0)
			_exit(1);
		struct cm_stats *stats = cm_stats_open(place->dir, NULL);
		if (stats == NULL)
			_exit(1);
		for (unsigned int i = 0; i < increments; i++) {
			cm_stats_add(stats, CM_STAT_LOGINS, 1);
			cm_stats_observe(stats, CM_STAT_MILTER_MESSAGE_BYTES, i % 7);
		}
		cm_stats_close(&stats);
		_exit(0);
	}
	close(start[0]);
	close(start[1]);
	wait_for_all(PROCESSES);
}

static void test_concurrent_processes(void **state)
{
	const struct place *place = *state;
	struct cm_histogram histogram;
	uint64_t sum = 0;

	count_together(place, INCREMENTS);
	struct cm_stats *stats = must_open(place);
	assert_int_equal(cm_stats_value(stats, CM_STAT_LOGINS), PROCESSES * INCREMENTS);
	cm_stats_histogram(stats, CM_STAT_MILTER_MESSAGE_BYTES, &histogram);
	assert_int_equal(histogram.count, PROCESSES * INCREMENTS);
	for (unsigned int i = 0; i < INCREMENTS; i++)
		sum += i % 7;
	assert_int_equal(histogram.sum, PROCESSES * sum);
	assert_int_equal(cm_stats_value(stats, CM_STAT_REGISTRATIONS), 0);
	cm_stats_close(&stats);
}

/* Whichever process creates the file, all count in the same one. */
static void test_concurrent_creation(void **state)
{
	const struct place *place = *state;

	for (int round = 0; round < ROUNDS; round++) {
		count_together(place, 1);
		struct cm_stats *stats = must_open(place);
		assert_int_equal(cm_stats_value(stats, CM_STAT_LOGINS), PROCESSES);
		cm_stats_close(&stats);
		assert_int_equal(unlink(place->path), 0);
	}
}

static void test_killed_process_loses_nothing(void **state)
{
	const struct place *place = *state;
	pid_t child = fork();

	if (child == 0) {
		struct cm_stats *stats = cm_stats_open(place->dir, NULL);
		cm_stats_add(stats, CM_STAT_PUSH_SENT, 41);
		raise(SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	struct cm_stats *stats = must_open(place);
	cm_stats_add(stats, CM_STAT_PUSH_SENT, 1);
	assert_int_equal(cm_stats_value(stats, CM_STAT_PUSH_SENT), 42);
	cm_stats_close(&stats);
	assert_null(stats);
}

static void test_reopen_keeps_file_and_start(void **state)
{
	const struct place *place = *state;
	struct cm_stats *first = must_open(place);
	ino_t before = inode(place);
	uint64_t since = cm_stats_value(first, CM_STAT_COUNTING_SINCE_SECONDS);

	assert_true(since > 0 && since <= (uint64_t)time(NULL));
	cm_stats_set(first, CM_STAT_EXPIRE_ACCOUNTS_LEFT, 1234);
	struct cm_stats *second = must_open(place);
	assert_int_equal(inode(place), before);
	assert_int_equal(cm_stats_value(second, CM_STAT_EXPIRE_ACCOUNTS_LEFT), 1234);
	assert_int_equal(cm_stats_value(second, CM_STAT_COUNTING_SINCE_SECONDS), since);
	cm_stats_set(second, CM_STAT_EXPIRE_ACCOUNTS_LEFT, 7);
	assert_int_equal(cm_stats_value(first, CM_STAT_EXPIRE_ACCOUNTS_LEFT), 7);
	cm_stats_close(&first);
	cm_stats_close(&second);
}

static void test_mode_does_not_depend_on_umask(void **state)
{
	const struct place *place = *state;
	mode_t old = umask(0077);
	struct cm_stats *stats = must_open(place);
	struct stat st, dir;

	umask(old);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(place->dir, &dir), 0);
	assert_int_equal(st.st_uid, dir.st_uid);
	assert_int_equal(st.st_gid, dir.st_gid);
	cm_stats_close(&stats);
}

/* If root (chatmailctl) creates the file, the daemons' user must still be able to open it. */
static void test_file_belongs_to_directory_owner(void **state)
{
	const struct place *place = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(place->dir, 12345, 23456), 0);
	struct cm_stats *stats = must_open(place);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
	cm_stats_close(&stats);
}

/* Counts one as an ordinary user. Returns 0 if the user can write to the file. */
static int count_as(const struct place *place, uid_t user)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (setuid(user) < 0)
			_exit(2);
		struct cm_stats *stats = cm_stats_open(place->dir, NULL);
		cm_stats_add(stats, CM_STAT_LOGINS, 1);
		cm_stats_close(&stats);
		_exit(access(place->path, R_OK | W_OK) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* The file may have been copied by root; the directory belongs to the daemons' user. */
static void test_file_of_somebody_else_is_replaced(void **state)
{
	const struct place *place = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	struct cm_stats *stats = must_open(place);
	cm_stats_close(&stats);
	assert_int_equal(chmod(place->path, 0600), 0);
	assert_int_equal(chmod(place->dir, 0755), 0);
	assert_int_not_equal(count_as(place, 12345), 0);
	assert_int_equal(chown(place->dir, 12345, 0), 0);
	assert_int_equal(count_as(place, 12345), 0);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	stats = must_open(place);
	assert_int_equal(cm_stats_value(stats, CM_STAT_LOGINS), 1);
	cm_stats_close(&stats);
}

static void overwrite(const struct place *place, off_t offset, const void *bytes, size_t length)
{
	int fd = open(place->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, offset), length);
	close(fd);
}

/* Every byte of magic, version, size and hash matters. */
static void test_other_layout_is_replaced(void **state)
{
	const struct place *place = *state;

	for (off_t offset = 0; offset < 24; offset++) {
		struct cm_stats *old = must_open(place);
		ino_t before = inode(place);
		cm_stats_add(old, CM_STAT_LOGINS, 5);
		int fd = open(place->path, O_RDONLY);
		unsigned char byte;
		assert_int_equal(pread(fd, &byte, 1, offset), 1);
		byte ^= 0x40;
		overwrite(place, offset, &byte, 1);

		struct cm_stats *new = must_open(place);
		assert_int_not_equal(inode(place), before);
		assert_int_equal(cm_stats_value(new, CM_STAT_LOGINS), 0);
		/* A process with the old file is not harmed and does not count in the new one. */
		cm_stats_add(old, CM_STAT_LOGINS, 1);
		assert_int_equal(cm_stats_value(new, CM_STAT_LOGINS), 0);
		close(fd);
		cm_stats_close(&old);
		cm_stats_close(&new);
	}
}

static void test_short_or_strange_file_is_replaced(void **state)
{
	const struct place *place = *state;
	struct cm_stats *stats = must_open(place);
	struct stat st;

	cm_stats_close(&stats);
	for (int what = 0; what < 5; what++) {
		off_t sizes[] = {0, 63, 64, 4096};
		if (what < 4) {
			assert_int_equal(truncate(place->path, sizes[what]), 0);
		} else {
			assert_int_equal(unlink(place->path), 0);
			assert_int_equal(mkfifo(place->path, 0600), 0);
		}
		stats = must_open(place);
		cm_stats_add(stats, CM_STAT_LOGINS, 1);
		assert_int_equal(cm_stats_value(stats, CM_STAT_LOGINS), 1);
		assert_int_equal(lstat(place->path, &st), 0);
		assert_true(S_ISREG(st.st_mode));
		cm_stats_close(&stats);
	}
}

static void test_symbolic_link_is_not_followed(void **state)
{
	const struct place *place = *state;
	char target[128];
	struct stat st;

	snprintf(target, sizeof(target), "%s/precious", place->dir);
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(symlink("precious", place->path), 0);
	struct cm_stats *stats = must_open(place);
	cm_stats_close(&stats);
	assert_int_equal(lstat(place->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(target);
}

static void test_temporary_file_of_a_crash_is_no_obstacle(void **state)
{
	const struct place *place = *state;
	char temporary[128];

	snprintf(temporary, sizeof(temporary), "%s/.stats.new", place->dir);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	struct cm_stats *stats = must_open(place);
	assert_int_equal(access(temporary, F_OK), -1);
	cm_stats_close(&stats);
}

static void test_missing_directory_is_an_error(void **state)
{
	const struct place *place = *state;
	struct cm_error err = {""};
	char path[128];

	snprintf(path, sizeof(path), "%s/absent", place->dir);
	assert_null(cm_stats_open(path, &err));
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "No such file or directory"));
}

static void test_null_handle(void **state)
{
	struct cm_stats *none = NULL;
	struct cm_histogram histogram = {.count = 9};

	(void)state;
	cm_stats_add(NULL, CM_STAT_LOGINS, 1);
	cm_stats_set(NULL, CM_STAT_EXPIRE_ACCOUNTS_LEFT, 1);
	cm_stats_observe(NULL, CM_STAT_MILTER_MESSAGE_BYTES, 1);
	assert_int_equal(cm_stats_value(NULL, CM_STAT_LOGINS), 0);
	cm_stats_histogram(NULL, CM_STAT_MILTER_MESSAGE_BYTES, &histogram);
	assert_int_equal(histogram.count, 0);
	cm_stats_close(&none);
	cm_stats_close(NULL);
	char *text = cm_stats_openmetrics(NULL);
	assert_non_null(strstr(text, "\nchatmail_logins_total 0\n"));
	free(text);
}

static void test_wrong_kind_changes_nothing(void **state)
{
	struct cm_stats *stats = must_open(*state);
	char *before = cm_stats_openmetrics(stats);

	cm_stats_add(stats, CM_STAT_EXPIRE_ACCOUNTS_LEFT, 1);
	cm_stats_set(stats, CM_STAT_LOGINS, 1);
	cm_stats_observe(stats, CM_STAT_LOGINS, 1);
	cm_stats_add(stats, CM_STAT_MILTER_MESSAGE_BYTES, 1);
	cm_stats_add(stats, CM_STAT_COUNT, 1);
	assert_null(cm_stats_describe(CM_STAT_COUNT));
	char *after = cm_stats_openmetrics(stats);
	assert_string_equal(before, after);
	free(before);
	free(after);
	cm_stats_close(&stats);
}

static void test_bucket_boundaries(void **state)
{
	static const struct {
		uint64_t value;
		size_t bucket;
	} cases[] = {
	    {0, 0},
	    {1, 0},
	    {2, 1},
	    {3, 2},
	    {4, 2},
	    {5, 3},
	    {UINT64_C(1) << 31, 31},
	    {UINT64_C(1) << 32, 32},
	    {(UINT64_C(1) << 32) + 1, 33},
	    {UINT64_MAX, 33},
	};
	struct cm_stats *stats = must_open(*state);
	struct cm_histogram before, after;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cm_stats_histogram(stats, CM_STAT_MILTER_MESSAGE_BYTES, &before);
		cm_stats_observe(stats, CM_STAT_MILTER_MESSAGE_BYTES, cases[i].value);
		cm_stats_histogram(stats, CM_STAT_MILTER_MESSAGE_BYTES, &after);
		for (size_t b = 0; b < CM_STATS_BUCKETS; b++)
			assert_int_equal(after.bucket[b] - before.bucket[b], b == cases[i].bucket);
		assert_true(after.sum == before.sum + cases[i].value);
	}
	cm_stats_close(&stats);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_concurrent_processes),
	    TEST(test_concurrent_creation),
	    TEST(test_killed_process_loses_nothing),
	    TEST(test_reopen_keeps_file_and_start),
	    TEST(test_mode_does_not_depend_on_umask),
	    TEST(test_file_belongs_to_directory_owner),
	    TEST(test_file_of_somebody_else_is_replaced),
	    TEST(test_other_layout_is_replaced),
	    TEST(test_short_or_strange_file_is_replaced),
	    TEST(test_symbolic_link_is_not_followed),
	    TEST(test_temporary_file_of_a_crash_is_no_obstacle),
	    TEST(test_missing_directory_is_an_error),
	    cmocka_unit_test(test_null_handle),
	    TEST(test_wrong_kind_changes_nothing),
	    TEST(test_bucket_boundaries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
