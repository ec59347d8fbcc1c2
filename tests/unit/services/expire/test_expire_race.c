/*
 * test_expire_race - a login at the moment of expiry
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "remove.h"

#define ROUNDS 60
#define DAY    INT64_C(86400)

static void make_unused_account(const struct cm_config *config, const struct cm_address *user,
				time_t seen)
{
	const struct timespec times[2] = {{.tv_sec = seen}, {.tv_sec = seen}};
	char *directory = cm_account_path(config, user), *password;
	struct cm_error err = {""};

	assert_int_equal(cm_account_create(config, user, "{PLAIN}x", &err), CM_ACCOUNT_OK);
	password = test_path(directory, CM_ACCOUNT_PASSWORD_FILE);
	assert_int_equal(utimensat(AT_FDCWD, password, times, 0), 0);
	free(password);
	free(directory);
}

/* Logs in, in a separate process, whose exit status is that of the account. */
static pid_t log_in(const struct cm_config *config, const struct cm_address *user, time_t now,
		    const int start[2])
{
	pid_t pid = fork();
	struct cm_error err = {""};
	char byte;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	close(start[1]);
	if (read(start[0], &byte, 1) != 0)
		_exit(99);
	_exit((int)cm_account_seen(config, user, now, &err));
}

/* A login that begins when expiry has found the account unused, and is about to move it. */
static struct {
	const struct cm_config *config;
	const struct cm_address *user;
	time_t now;
	enum cm_account_status status;
	pthread_t thread;
	bool begun;
	int end[2];
} login;

/* Longer than a login takes; one that waits for expiry takes longer. */
#define LOGIN_MS 500

static void *log_in_here(void *unused)
{
	struct cm_error err = {""};

	login.status = cm_account_seen(login.config, login.user, login.now, &err);
	close(login.end[1]);
	return unused;
}

static void log_in_meanwhile(void)
{
	struct pollfd done = {.events = POLLIN};

	login.begun = true;
	assert_int_equal(pipe(login.end), 0);
	assert_int_equal(pthread_create(&login.thread, NULL, log_in_here, NULL), 0);
	done.fd = login.end[0];
	poll(&done, 1, LOGIN_MS);
}

/* In place of the C library's. */
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (login.config != NULL && !login.begun)
		log_in_meanwhile();
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* Whichever comes first, the result is consistent: the login succeeds and the account exists,
   or neither. */
static void race(const struct cm_config *config, const struct cm_address *user, int mailboxes,
		 int trash, const struct expire_rules *rules)
{
	struct cm_tree tree = {0};
	struct cm_error err = {""};
	enum expire_removal removal;
	int start[2], status;
	pid_t pid;

	make_unused_account(config, user, rules->seen_before - DAY);
	assert_int_equal(pipe(start), 0);
	pid = log_in(config, user, rules->now, start);
	close(start[0]);
	close(start[1]);
	removal = expire_account_remove(mailboxes, trash, user->text, rules, &tree, &err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(removal, EXPIRE_FAILED);
	if (WEXITSTATUS(status) == CM_ACCOUNT_OK)
		assert_int_equal(cm_account_lookup(config, user, &err), CM_ACCOUNT_OK);
	else
		assert_int_equal(WEXITSTATUS(status), CM_ACCOUNT_ABSENT);
	if (removal == EXPIRE_REMOVED)
		assert_int_equal(cm_account_lookup(config, user, &err), CM_ACCOUNT_ABSENT);
	else
		assert_true(cm_tree_remove(mailboxes, user->text, false, &tree, &err));
}

struct fixture {
	struct cm_config *config;
	struct cm_address user;
	struct expire_rules rules;
	int mailboxes, trash;
};

static void open_fixture(struct fixture *fixture, const char *directory)
{
	struct cm_error err = {""};

	fixture->config = test_config(directory, "");
	assert_true(cm_address_parse("user12345@relay.test", 20, &fixture->user));
	expire_rules_init(&fixture->rules, fixture->config, time(NULL) / DAY * DAY);
	fixture->mailboxes =
	    open(fixture->config->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture->mailboxes >= 0);
	fixture->trash = expire_trash_open(fixture->mailboxes, &err);
	assert_true(fixture->trash >= 0);
}

static void close_fixture(struct fixture *fixture)
{
	close(fixture->trash);
	close(fixture->mailboxes);
	cm_config_free(&fixture->config);
}

static void test_login_during_the_removal(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	for (int i = 0; i < ROUNDS; i++)
		race(fixture.config, &fixture.user, fixture.mailboxes, fixture.trash,
		     &fixture.rules);
	close_fixture(&fixture);
}

static void test_login_while_the_account_moves(void **state)
{
	struct fixture fixture;
	struct cm_tree tree = {0};
	struct cm_error err = {""};
	enum expire_removal removal;

	open_fixture(&fixture, *state);
	make_unused_account(fixture.config, &fixture.user, fixture.rules.seen_before - DAY);
	login.config = fixture.config;
	login.user = &fixture.user;
	login.now = fixture.rules.now;
	removal = expire_account_remove(fixture.mailboxes, fixture.trash, fixture.user.text,
					&fixture.rules, &tree, &err);
	assert_true(login.begun);
	assert_int_equal(pthread_join(login.thread, NULL), 0);
	close(login.end[0]);
	/* A login must not succeed if its account is then deleted. */
	assert_int_equal(removal, EXPIRE_REMOVED);
	assert_int_equal(login.status, CM_ACCOUNT_ABSENT);
	close_fixture(&fixture);
}

static void test_account_that_was_just_blocked(void **state)
{
	struct fixture fixture;
	struct cm_tree tree = {0};
	struct cm_error err = {""};

	open_fixture(&fixture, *state);
	make_unused_account(fixture.config, &fixture.user, fixture.rules.seen_before - DAY);
	assert_int_equal(cm_account_set_blocked(fixture.config, &fixture.user, true, &err),
			 CM_ACCOUNT_OK);
	assert_int_equal(expire_account_remove(fixture.mailboxes, fixture.trash, fixture.user.text,
					       &fixture.rules, &tree, &err),
			 EXPIRE_SEEN_AGAIN);
	assert_int_equal(cm_account_lookup(fixture.config, &fixture.user, &err),
			 CM_ACCOUNT_BLOCKED);
	close_fixture(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_login_during_the_removal, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_account_that_was_just_blocked,
					    test_directory_setup, test_directory_teardown),
	    cmocka_unit_test_setup_teardown(test_login_while_the_account_moves,
					    test_directory_setup, test_directory_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
