/*
 * test_account - creation without races, blocking, last seen, hostile file systems
 */
#include "support.h"

#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "account.h"

static struct cm_address address(const char *text)
{
	struct cm_address address;

	assert_true(cm_address_parse(text, strlen(text), &address));
	return address;
}

static void assert_trouble_free(enum cm_account_status status, const struct cm_error *err)
{
	if (status == CM_ACCOUNT_TROUBLE)
		fail_msg("trouble: %s", err->text);
}

static void test_create_and_read(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_error err = {""};
	struct stat st;
	bool refuses;
	char *hash, *text;

	assert_int_equal(cm_account_lookup(config, &user, &err), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_account_recipient(config, &user, &refuses, &err), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}first", &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}second", &err),
			 CM_ACCOUNT_EXISTS);
	assert_int_equal(cm_account_lookup(config, &user, &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_recipient(config, &user, &refuses, &err), CM_ACCOUNT_OK);
	assert_true(refuses);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_OK);
	assert_string_equal(hash, "{PLAIN}first");
	free(hash);

	text = test_read_text(*state, "mail/user12345@relay.test/password");
	assert_string_equal(text, "{PLAIN}first");
	free(text);
	text = test_path(*state, "mail/user12345@relay.test");
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(text);
	cm_config_free(&config);
}

static void test_upstream_password_file(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	char long_hash[CM_ACCOUNT_HASH_MAX + 2];
	struct cm_error err = {""};
	bool refuses;
	char *hash, *path;

	path = test_path(*state, "mail/user12345@relay.test");
	mkdir(path, 0700);
	free(path);
	test_write_text(*state, "mail/user12345@relay.test/password", " {SHA512-CRYPT}$6$a$b\n");
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_OK);
	assert_string_equal(hash, "{SHA512-CRYPT}$6$a$b");
	free(hash);
	assert_int_equal(cm_account_recipient(config, &user, &refuses, &err), CM_ACCOUNT_OK);
	assert_false(refuses);

	test_write_text(*state, "mail/user12345@relay.test/password", "");
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_BLOCKED);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_BLOCKED);
	test_write_text(*state, "mail/user12345@relay.test/password", " \n");
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_BLOCKED);

	memset(long_hash, 'x', sizeof(long_hash));
	test_write(*state, "mail/user12345@relay.test/password", long_hash, sizeof(long_hash));
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_TROUBLE);
	assert_null(strstr(err.text, "user12345"));
	test_write(*state, "mail/user12345@relay.test/password", "a\0b", 3);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_TROUBLE);
	cm_config_free(&config);
}

static void test_symbolic_links(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_address other = address("other1234@relay.test");
	struct cm_error err = {""};
	char *hash, *link, *target;

	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	target = test_path(*state, "mail/user12345@relay.test");
	link = test_path(*state, "mail/other1234@relay.test");
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(cm_account_password(config, &other, &hash, &err), CM_ACCOUNT_TROUBLE);
	unlink(link);
	mkdir(link, 0700);
	free(link);
	free(target);
	target = test_path(*state, "mail/user12345@relay.test/password");
	link = test_path(*state, "mail/other1234@relay.test/password");
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(cm_account_password(config, &other, &hash, &err), CM_ACCOUNT_TROUBLE);
	assert_int_equal(cm_account_create(config, &other, "{PLAIN}x", &err), CM_ACCOUNT_TROUBLE);
	free(link);
	free(target);
	cm_config_free(&config);
}

static void test_blocked(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_error err = {""};
	bool refuses;
	char *hash;

	assert_int_equal(cm_account_set_blocked(config, &user, true, &err), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_set_blocked(config, &user, true, &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_lookup(config, &user, &err), CM_ACCOUNT_BLOCKED);
	assert_int_equal(cm_account_recipient(config, &user, &refuses, &err), CM_ACCOUNT_BLOCKED);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_BLOCKED);
	assert_null(hash);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}y", &err), CM_ACCOUNT_BLOCKED);
	assert_int_equal(cm_account_set_blocked(config, &user, false, &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_set_blocked(config, &user, false, &err), CM_ACCOUNT_OK);
	assert_int_equal(cm_account_lookup(config, &user, &err), CM_ACCOUNT_OK);
	cm_config_free(&config);
}

static void test_last_seen(void **state)
{
	const time_t day = 20000 * 86400L;
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_error err = {""};
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 0}};
	struct stat st;
	char *path = test_path(*state, "mail/user12345@relay.test/password");

	assert_int_equal(cm_account_seen(config, &user, day, &err), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(cm_account_seen(config, &user, day + 86399, &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day);
	assert_int_equal(cm_account_seen(config, &user, day + 86400, &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day + 86400);

	/* The time is set at most once a day. */
	times[1].tv_sec = day + 86400;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(cm_account_seen(config, &user, day + 2 * 86400 - 1, &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_atime, 1);

	/* A new password does not count as a login. */
	assert_int_equal(cm_account_set_password(config, &user, "{PLAIN}new", &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day + 86400);
	free(path);
	cm_config_free(&config);
}

/* A machine may start with the wrong time, and correct it after some logins. */
static void test_seen_by_a_clock_that_is_behind(void **state)
{
	const time_t day = 20000 * 86400L;
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct timespec times[2] = {{.tv_sec = day}, {.tv_sec = day}};
	struct cm_error err = {""};
	struct stat st;
	char *path = test_path(*state, "mail/user12345@relay.test/password");

	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(cm_account_seen(config, &user, day - 200 * 86400L, &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day);
	assert_int_equal(cm_account_seen(config, &user, day + 86400, &err), CM_ACCOUNT_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day + 86400);
	free(path);
	cm_config_free(&config);
}

/* Waits until the child waits for a lock or ends. */
static void wait_for_lock(pid_t child)
{
	char line[256], blocked[32];
	siginfo_t end = {0};

	snprintf(blocked, sizeof(blocked), " %d ", (int)child);
	for (;;) {
		FILE *locks = fopen("/proc/locks", "r");
		bool found = false;

		assert_non_null(locks);
		while (!found && fgets(line, sizeof(line), locks) != NULL)
			found = strstr(line, "-> FLOCK") != NULL && strstr(line, blocked) != NULL;
		fclose(locks);
		assert_int_equal(waitid(P_PID, (id_t)child, &end, WEXITED | WNOHANG | WNOWAIT), 0);
		if (found || end.si_pid == child)
			return;
		usleep(1000);
	}
}

/* A directory without a password is deleted while its account is created: see `chatmailctl user
   delete`. */
static void test_creation_during_a_deletion(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_error err = {""};
	char *path = test_path(*state, "mail/user12345@relay.test"), *hash;
	char *trash = test_path(*state, "mail/.expired");
	int fd, status;
	pid_t child;

	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = fork();
	if (child == 0)
		_exit(cm_account_create(config, &user, "{PLAIN}x", &err) == CM_ACCOUNT_OK ? 0 : 1);
	wait_for_lock(child);
	assert_int_equal(rename(path, trash), 0);
	/* The child has a copy of the descriptor. */
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_OK);
	assert_string_equal(hash, "{PLAIN}x");
	free(hash);
	free(trash);
	free(path);
	cm_config_free(&config);
}

/* The deletion comes first. */
static void test_block_during_a_deletion(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct cm_error err = {""};
	char *path = test_path(*state, "mail/user12345@relay.test");
	char *trash = test_path(*state, "mail/.expired");
	int fd, status;
	pid_t child;

	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = fork();
	if (child == 0)
		_exit((int)cm_account_set_blocked(config, &user, true, &err));
	wait_for_lock(child);
	assert_int_equal(rename(path, trash), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CM_ACCOUNT_ABSENT);
	free(trash);
	free(path);
	cm_config_free(&config);
}

/* A login records its time under a lock; the new password must not have the time before that. */
static void test_new_password_during_a_login(void **state)
{
	const time_t day = 20000 * 86400L;
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	struct timespec times[2] = {{.tv_sec = day}, {.tv_sec = day}};
	struct cm_error err = {""};
	char *path = test_path(*state, "mail/user12345@relay.test"), *hash;
	struct stat st;
	int fd, status;
	pid_t child;

	assert_int_equal(cm_account_create(config, &user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	child = fork();
	if (child == 0)
		_exit(cm_account_set_password(config, &user, "{PLAIN}y", &err) == CM_ACCOUNT_OK
			  ? 0
			  : 1);
	wait_for_lock(child);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_OK);
	assert_string_equal(hash, "{PLAIN}x");
	free(hash);
	assert_int_equal(utimensat(fd, CM_ACCOUNT_PASSWORD_FILE, times, 0), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(cm_account_password(config, &user, &hash, &err), CM_ACCOUNT_OK);
	assert_string_equal(hash, "{PLAIN}y");
	free(hash);
	free(path);
	path = test_path(*state, "mail/user12345@relay.test/password");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, day);
	free(path);
	cm_config_free(&config);
}

/* Creates the account with this child's own hash; the exit status is the result. */
static void race_child(const struct cm_config *config, const struct cm_address *user, int number)
{
	struct cm_error err = {""};
	char hash[32];
	enum cm_account_status status;

	snprintf(hash, sizeof(hash), "{PLAIN}%d", number);
	status = cm_account_create(config, user, hash, &err);
	_exit(status == CM_ACCOUNT_OK ? 1 : status == CM_ACCOUNT_EXISTS ? 0 : 2);
}

static void test_creation_race(void **state)
{
	enum { CHILDREN = 20 };
	struct cm_config *config = test_config(*state, "");
	struct cm_error err = {""};
	pid_t child[CHILDREN];

	for (int round = 0; round < 20; round++) {
		char name[64], expected[32], *hash;
		struct cm_address user;
		int winners = 0, winner = -1, status;

		snprintf(name, sizeof(name), "user%05d@relay.test", round);
		user = address(name);
		for (int i = 0; i < CHILDREN; i++) {
			child[i] = fork();
			if (child[i] == 0)
				race_child(config, &user, i);
		}
		for (int i = 0; i < CHILDREN; i++) {
			assert_int_equal(waitpid(child[i], &status, 0), child[i]);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
			if (WEXITSTATUS(status) == 1) {
				winners++;
				winner = i;
			}
		}
		assert_int_equal(winners, 1);
		snprintf(expected, sizeof(expected), "{PLAIN}%d", winner);
		assert_trouble_free(cm_account_password(config, &user, &hash, &err), &err);
		assert_string_equal(hash, expected);
		free(hash);
	}
	cm_config_free(&config);
}

static void assert_unreachable(const struct cm_config *config, const struct cm_address *user)
{
	struct cm_error err = {""};
	bool refuses;
	char *hash;

	assert_int_equal(cm_account_lookup(config, user, &err), CM_ACCOUNT_TROUBLE);
	assert_non_null(strstr(err.text, config->mailboxes_dir));
	assert_int_equal(cm_account_password(config, user, &hash, &err), CM_ACCOUNT_TROUBLE);
	assert_int_equal(cm_account_create(config, user, "{PLAIN}x", &err), CM_ACCOUNT_TROUBLE);
	assert_int_equal(cm_account_seen(config, user, 0, &err), CM_ACCOUNT_TROUBLE);
	assert_int_equal(cm_account_recipient(config, user, &refuses, &err), CM_ACCOUNT_TROUBLE);
}

/* Without CAP_DAC_OVERRIDE a directory of mode 0500 is read-only; root could write. */
static void check_as_nobody(const struct cm_config *config, const struct cm_address *user)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		assert_unreachable(config, user);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_unmounted_mailboxes(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");

	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chmod(config->mailboxes_dir, 0555), 0);
	check_as_nobody(config, &user);
	assert_int_equal(rmdir(config->mailboxes_dir), 0);
	assert_unreachable(config, &user);
	assert_int_equal(access(config->mailboxes_dir, F_OK), -1);
	cm_config_free(&config);
}

#define NOBODY   65534
#define NO_MOUNT 77

/* The status of an account of a missing name if mailboxes_dir is a read-only bind mount. */
static enum cm_account_status lookup_read_only(const struct cm_config *config,
					       const struct cm_address *user)
{
	struct cm_error err;
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(config->mailboxes_dir, config->mailboxes_dir, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, config->mailboxes_dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY,
			  NULL) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(NO_MOUNT);
		_exit((int)cm_account_lookup(config, user, &err));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum cm_account_status)WEXITSTATUS(status);
}

/* As systemd shows the mailboxes to the milter, which only reads them. */
static void test_read_only_view_of_mailboxes(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("user12345@relay.test");
	int found;

	assert_int_equal(chmod(*state, 0755), 0);
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(config->mailboxes_dir, NOBODY, NOBODY), 0);
	found = (int)lookup_read_only(config, &user);
	if (found == NO_MOUNT)
		skip();
	assert_int_equal(found, CM_ACCOUNT_ABSENT);
	/* Root's mount point. */
	assert_int_equal(chown(config->mailboxes_dir, 0, 0), 0);
	assert_int_equal(chmod(config->mailboxes_dir, 0755), 0);
	assert_int_equal(lookup_read_only(config, &user), CM_ACCOUNT_TROUBLE);
	cm_config_free(&config);
}

static void test_local(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address user = address("a@RELAY.test"), foreign = address("a@peer.test");

	assert_true(cm_account_is_local(config, &user));
	assert_false(cm_account_is_local(config, &foreign));
	cm_config_free(&config);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_create_and_read),
	    TEST(test_upstream_password_file),
	    TEST(test_symbolic_links),
	    TEST(test_blocked),
	    TEST(test_last_seen),
	    TEST(test_seen_by_a_clock_that_is_behind),
	    TEST(test_creation_during_a_deletion),
	    TEST(test_block_during_a_deletion),
	    TEST(test_new_password_during_a_login),
	    TEST(test_creation_race),
	    TEST(test_unmounted_mailboxes),
	    TEST(test_read_only_view_of_mailboxes),
	    TEST(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
