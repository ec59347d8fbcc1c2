/*
 * test_invitation - a use of an invitation and its account: both exist or neither
 */
#include "support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "invitation.h"

#define HASH  "{SHA512-CRYPT}$6$salt$hash"
#define OTHER "abcdefghijkmnpqrstuvwxyz23"

static struct cm_config *config;
static char id[CM_INVITATION_ID_LENGTH + 1], token[CM_INVITATION_TOKEN_LENGTH + 1];
static struct cm_error err;

static int setup(void **state)
{
	test_directory_setup(state);
	config = test_config(*state, "registration = invite\n");
	return 0;
}

static int teardown(void **state)
{
	cm_config_free(&config);
	return test_directory_teardown(state);
}

static void create(unsigned int uses, time_t expires)
{
	assert_true(cm_invitation_create(config, uses, expires, "a note", id, token, &err));
}

static enum cm_invitation_status use(const char *with, const char *name)
{
	struct cm_address address;

	assert_true(cm_address_parse(name, strlen(name), &address));
	return cm_invitation_use(config, with, 1000, &address, HASH, &err);
}

static bool keep(const struct cm_invitation *invitation, void *context)
{
	struct cm_invitation *kept = context;

	assert_string_equal(invitation->note, "a note");
	*kept = *invitation;
	return true;
}

static unsigned int left(void)
{
	struct cm_invitation kept = {.left = 12345};

	assert_true(cm_invitation_each(config, keep, &kept, &err));
	assert_string_equal(kept.id, id);
	return kept.left;
}

static enum cm_account_status account(const char *name, char **hash_r)
{
	struct cm_address address;

	assert_true(cm_address_parse(name, strlen(name), &address));
	return cm_account_password(config, &address, hash_r, &err);
}

static void test_uses(void **state)
{
	char *hash;

	(void)state;
	create(2, 0);
	assert_int_equal(left(), 2);
	assert_int_equal(cm_invitation_check(config, token, 1000, &err), CM_INVITATION_OK);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_OK);
	assert_int_equal(left(), 1);
	assert_int_equal(account("one@relay.test", &hash), CM_ACCOUNT_OK);
	assert_string_equal(hash, HASH);
	free(hash);
	assert_int_equal(use(token, "two@relay.test"), CM_INVITATION_OK);
	assert_int_equal(use(token, "three@relay.test"), CM_INVITATION_ABSENT);
	assert_int_equal(account("three@relay.test", &hash), CM_ACCOUNT_ABSENT);
	assert_int_equal(cm_invitation_check(config, token, 1000, &err), CM_INVITATION_ABSENT);
	assert_int_equal(left(), 0);
}

static void test_a_taken_name_costs_nothing(void **state)
{
	char *hash;

	(void)state;
	create(2, 0);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_OK);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_EXISTS);
	assert_int_equal(left(), 1);
	assert_int_equal(account("one@relay.test", &hash), CM_ACCOUNT_OK);
	free(hash);
}

static void test_tokens(void **state)
{
	static const char *const wrong[] = {
	    "",
	    OTHER,
	    "../invitations/x",
	    "abcdefghijkmnpqrstuvwxyz2",
	    "abcdefghijkmnpqrstuvwxyz234",
	    "ABCDEFGHIJKMNPQRSTUVWXYZ23",
	    "abcdefghijkmnpqrstuvwxyz2/",
	};

	(void)state;
	assert_int_equal(use(OTHER, "one@relay.test"), CM_INVITATION_ABSENT);
	create(1, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(use(wrong[i], "one@relay.test"), CM_INVITATION_ABSENT);
	assert_int_equal(left(), 1);
}

static void test_expired(void **state)
{
	(void)state;
	create(1, 1001);
	assert_int_equal(cm_invitation_check(config, token, 1000, &err), CM_INVITATION_OK);
	assert_int_equal(cm_invitation_check(config, token, 1001, &err), CM_INVITATION_ABSENT);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_OK);
	create(1, 1000);
	assert_int_equal(use(token, "two@relay.test"), CM_INVITATION_ABSENT);
}

static void test_revoked(void **state)
{
	struct cm_invitation kept = {.left = 0};

	(void)state;
	assert_int_equal(cm_invitation_revoke(config, "0123456789ab", &err), CM_INVITATION_ABSENT);
	create(5, 0);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_OK);
	assert_int_equal(cm_invitation_revoke(config, "0123456789ab", &err), CM_INVITATION_ABSENT);
	assert_int_equal(cm_invitation_revoke(config, id, &err), CM_INVITATION_OK);
	assert_int_equal(use(token, "two@relay.test"), CM_INVITATION_ABSENT);
	assert_true(cm_invitation_each(config, keep, &kept, &err));
	assert_string_equal(kept.id, "");
}

static void test_last_use_changes_it(void **state)
{
	struct cm_invitation kept = {.left = 0};
	char command[512];

	create(1, 0);
	snprintf(command, sizeof(command), "touch -d @1000 %s/mail/invitations/%s*",
		 (const char *)*state, id);
	assert_int_equal(system(command), 0);
	assert_true(cm_invitation_each(config, keep, &kept, &err));
	assert_int_equal(kept.changed, 1000);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_OK);
	assert_true(cm_invitation_each(config, keep, &kept, &err));
	assert_true(kept.changed > 1000);
}

/* A process that is killed while a use is locked leaves a hash in it, and a mailbox without a
   password. */
static void test_what_a_killed_one_left_is_used(void **state)
{
	char path[512], *hash;

	create(1, 0);
	snprintf(path, sizeof(path),
		 "cd %s/mail/invitations/%s* && head -c 900 /dev/zero >use.00001",
		 (const char *)*state, id);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/mail/one@relay.test", (const char *)*state);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_EXISTS);
	assert_int_equal(use(token, "two@relay.test"), CM_INVITATION_OK);
	assert_int_equal(account("two@relay.test", &hash), CM_ACCOUNT_OK);
	assert_string_equal(hash, HASH);
	free(hash);
}

/* The other machine: accounts as empty files. */
struct elsewhere {
	const char *directory;
	struct cm_address address;
	enum cm_account_status answer; /* OK: makes it, unless it exists */
	bool dies_before, dies_after;
};

static enum cm_account_status make_elsewhere(void *context, struct cm_error *ignored)
{
	struct elsewhere *elsewhere = context;
	char path[512];
	int fd;

	(void)ignored;
	if (elsewhere->dies_before)
		_exit(0);
	if (elsewhere->answer != CM_ACCOUNT_OK)
		return elsewhere->answer;
	snprintf(path, sizeof(path), "%s/%s", elsewhere->directory, elsewhere->address.text);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return CM_ACCOUNT_EXISTS;
	close(fd);
	if (elsewhere->dies_after)
		_exit(0);
	return CM_ACCOUNT_OK;
}

static enum cm_invitation_status use_elsewhere(struct elsewhere *elsewhere, const char *name)
{
	assert_true(cm_address_parse(name, strlen(name), &elsewhere->address));
	return cm_invitation_use_elsewhere(config, token, 1000, &elsewhere->address, make_elsewhere,
					   elsewhere, &err);
}

/* In a process that is killed in the middle. */
static void use_and_die(struct elsewhere elsewhere, const char *name)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		use_elsewhere(&elsewhere, name);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_elsewhere(void **state)
{
	struct elsewhere elsewhere = {.directory = *state};

	create(1, 0);
	elsewhere.answer = CM_ACCOUNT_TROUBLE;
	assert_int_equal(use_elsewhere(&elsewhere, "one@relay.test"), CM_INVITATION_TROUBLE);
	assert_int_equal(left(), 1);
	elsewhere.answer = CM_ACCOUNT_OK;
	assert_int_equal(use_elsewhere(&elsewhere, "two@relay.test"), CM_INVITATION_OK);
	/* It was not known whether the first attempt would succeed after all. */
	assert_string_equal(elsewhere.address.text, "one@relay.test");
	assert_int_equal(left(), 0);
	assert_int_equal(use_elsewhere(&elsewhere, "two@relay.test"), CM_INVITATION_ABSENT);
}

static void test_a_name_taken_elsewhere_costs_nothing(void **state)
{
	struct elsewhere elsewhere = {.directory = *state};

	create(2, 0);
	assert_int_equal(use_elsewhere(&elsewhere, "one@relay.test"), CM_INVITATION_OK);
	assert_int_equal(use_elsewhere(&elsewhere, "one@relay.test"), CM_INVITATION_EXISTS);
	assert_int_equal(left(), 1);
	assert_int_equal(use_elsewhere(&elsewhere, "two@relay.test"), CM_INVITATION_OK);
	assert_string_equal(elsewhere.address.text, "two@relay.test");
	assert_int_equal(left(), 0);
}

static void test_killed_before_it_was_made_elsewhere(void **state)
{
	struct elsewhere elsewhere = {.directory = *state}, dying = elsewhere;

	dying.dies_before = true;
	create(1, 0);
	use_and_die(dying, "one@relay.test");
	assert_int_equal(left(), 1);
	assert_int_equal(use_elsewhere(&elsewhere, "two@relay.test"), CM_INVITATION_OK);
	assert_string_equal(elsewhere.address.text, "one@relay.test");
	assert_int_equal(use_elsewhere(&elsewhere, "three@relay.test"), CM_INVITATION_ABSENT);
}

static void test_killed_after_it_was_made_elsewhere(void **state)
{
	struct elsewhere elsewhere = {.directory = *state}, dying = elsewhere;

	dying.dies_after = true;
	create(2, 0);
	use_and_die(dying, "one@relay.test");
	assert_int_equal(use_elsewhere(&elsewhere, "two@relay.test"), CM_INVITATION_OK);
	assert_string_equal(elsewhere.address.text, "two@relay.test");
	assert_int_equal(use_elsewhere(&elsewhere, "three@relay.test"), CM_INVITATION_ABSENT);
	assert_int_equal(left(), 0);
}

static void test_mailboxes_that_are_away_are_trouble(void **state)
{
	char away[512], *mailboxes = config->mailboxes_dir;

	create(1, 0);
	snprintf(away, sizeof(away), "%s/away", (const char *)*state);
	assert_int_equal(rename(mailboxes, away), 0);
	assert_int_equal(cm_invitation_check(config, token, 1000, &err), CM_INVITATION_TROUBLE);
	assert_int_equal(use(token, "one@relay.test"), CM_INVITATION_TROUBLE);
	assert_false(cm_invitation_create(config, 1, 0, "", id, token, &err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_uses),
	    TEST(test_a_taken_name_costs_nothing),
	    TEST(test_tokens),
	    TEST(test_expired),
	    TEST(test_revoked),
	    TEST(test_last_use_changes_it),
	    TEST(test_what_a_killed_one_left_is_used),
	    TEST(test_elsewhere),
	    TEST(test_a_name_taken_elsewhere_costs_nothing),
	    TEST(test_killed_before_it_was_made_elsewhere),
	    TEST(test_killed_after_it_was_made_elsewhere),
	    TEST(test_mailboxes_that_are_away_are_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
