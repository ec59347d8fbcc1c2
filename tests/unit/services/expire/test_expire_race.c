/*
 * test_expire_race - a login at the moment of expiry
 */
#include "support.h"

#include <fcntl.h>
#include <sys/wait.h>

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

static void test_race(void **state)
{
	struct cm_config *config = test_config(*state, "");
	const time_t now = time(NULL) / DAY * DAY;
	struct cm_address user;
	struct expire_rules rules;
	struct cm_error err = {""};
	int mailboxes, trash;

	assert_true(cm_address_parse("user12345@relay.test", 20, &user));
	expire_rules_init(&rules, config, now);
	mailboxes = open(config->mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(mailboxes >= 0);
	trash = expire_trash_open(mailboxes, &err);
	assert_true(trash >= 0);
	for (int i = 0; i < ROUNDS; i++)
		race(config, &user, mailboxes, trash, &rules);
	close(trash);
	close(mailboxes);
	cm_config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_race, test_directory_setup,
					    test_directory_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
