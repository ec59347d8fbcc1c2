/*
 * test_expire_rules - what is old enough to be deleted, at the limits and with odd numbers
 */
#include "support.h"

#include "rules.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

static const struct expire_rules rules = {
    .now = NOW,
    .messages_before = NOW - 20 * DAY,
    .large_before = NOW - 7 * DAY,
    .seen_before = NOW - 90 * DAY,
    .quota_target = 0,
};

static void test_init(void **state)
{
	struct cm_config *config = test_config(*state, "max_mailbox_size = 500M\n"
						       "delete_mails_after = 21\n"
						       "delete_large_after = 8\n"
						       "delete_inactive_users_after = 91\n");
	struct expire_rules own;

	expire_rules_init(&own, config, NOW);
	assert_int_equal(own.messages_before, NOW - 21 * DAY);
	assert_int_equal(own.large_before, NOW - 8 * DAY);
	assert_int_equal(own.seen_before, NOW - 91 * DAY);
	assert_int_equal(own.quota_target, UINT64_C(350) << 20);

	/* 70 % without overflow, rounded down. */
	config->max_mailbox_size = UINT64_MAX;
	expire_rules_init(&own, config, NOW);
	assert_true(own.quota_target == UINT64_C(12912720851596686130));
	config->max_mailbox_size = 199;
	expire_rules_init(&own, config, NOW);
	assert_int_equal(own.quota_target, 139);
	cm_config_free(&config);
}

static void test_message(void **state)
{
	static const struct {
		enum cm_maildir_part part;
		uint64_t size;
		time_t limit; /* 0: never */
	} rows[] = {
	    {CM_MAILDIR_CUR, 200000, 20 * DAY},    {CM_MAILDIR_CUR, 200001, 7 * DAY},
	    {CM_MAILDIR_CUR, UINT64_MAX, 7 * DAY}, {CM_MAILDIR_NEW, 200001, 20 * DAY},
	    {CM_MAILDIR_TMP, 200001, 20 * DAY},    {CM_MAILDIR_NEW, 0, 20 * DAY},
	    {CM_MAILDIR_EXTRA, UINT64_MAX, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		time_t at = NOW - rows[i].limit;

		assert_false(expire_message(&rules, rows[i].part, rows[i].size, at + 1));
		assert_false(expire_message(&rules, rows[i].part, rows[i].size, at));
		assert_int_equal(expire_message(&rules, rows[i].part, rows[i].size, at - 1),
				 rows[i].limit != 0);
		assert_int_equal(expire_message(&rules, rows[i].part, rows[i].size, 0),
				 rows[i].limit != 0);
	}
}

static void test_account(void **state)
{
	(void)state;
	assert_false(expire_account(&rules, NOW - 90 * DAY));
	assert_true(expire_account(&rules, NOW - 90 * DAY - 1));
	assert_true(expire_account(&rules, 1));
	assert_false(expire_account(&rules, 0));
	assert_false(expire_account(&rules, NOW + 1000 * DAY));
}

static void test_share(void **state)
{
	(void)state;
	assert_false(expire_share_exceeded(0, 0, 0));
	assert_false(expire_share_exceeded(0, 10, 0));
	assert_true(expire_share_exceeded(1, 1000000, 0));
	assert_false(expire_share_exceeded(5, 10, 50));
	assert_true(expire_share_exceeded(500001, 1000000, 50));
	assert_false(expire_share_exceeded(10, 10, 100));
}

static void test_temporary_names(void **state)
{
	static const char *const yes[] = {".chatmail-tmp.", ".chatmail-tmp.0f", "password.tmp-1",
					  "metadata.json.tmp"};
	static const char *const no[] = {
	    "",       "password",           "metadata.json",     "x.tmp",
	    ".tmp.1", "metadata.json.tmp2", "dovecot.index.tmp", "metadata.json.lock"};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(expire_name_is_temporary(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(expire_name_is_temporary(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_init, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test(test_message),
	    cmocka_unit_test(test_account),
	    cmocka_unit_test(test_share),
	    cmocka_unit_test(test_temporary_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
