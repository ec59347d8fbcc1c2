/*
 * test_policy_limits - limits on recipients and on the rate, and blocked senders
 */
#include "policy_fixture.h"

static void the_number_of_recipients_is_limited(void **state)
{
	struct fixture *fixture = *state;
	struct cm_message *message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	struct cm_verdict verdict;

	for (unsigned int i = 0; i < fixture->config->max_recipients; i++)
		assert_true(cm_message_recipient(message, "<bob@peer.test>"));
	assert_false(cm_message_recipient(message, "<bob@peer.test>"));
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.reason, CM_REASON_TOO_MANY_RECIPIENTS);
	assert_int_equal(verdict.code, 452);
	assert_string_equal(verdict.enhanced, "4.5.3");
	cm_message_free(&message);
}

static enum cm_reason reason_at_once(struct cm_policy *policy, enum cm_direction direction,
				     const char *from)
{
	struct cm_message *message = cm_message_begin(policy, direction, from);
	struct cm_verdict verdict;

	cm_message_verdict(message, &verdict);
	cm_message_free(&message);
	return verdict.code == 0 ? CM_REASON_ENCRYPTED : verdict.reason;
}

/* Sends the usual message of alice. */
static struct cm_verdict send_as(struct cm_policy *policy, enum cm_direction direction,
				 const char *from)
{
	char *text = test_usual_message();
	struct cm_verdict verdict = test_judge_bytes(policy, direction, from, "<carol@relay.test>",
						     text, strlen(text), CM_MESSAGE_FILE_CHUNK);

	free(text);
	return verdict;
}

/* The burst is counted for all spellings of the address, and across configurations. A message
   that ends before its end of headers does not count, because the login may not match yet. */
static void senders_have_a_rate(void **state)
{
	struct fixture *fixture = *state;
	struct cm_config *config =
	    test_config(fixture->directory, "max_user_send_per_minute = 1\n"
					    "max_user_send_burst_size = 3\n");
	struct cm_policy *policy = cm_policy_new(config, NULL);
	struct cm_policy *next;
	struct cm_verdict verdict;

	for (int i = 0; i < 10; i++)
		assert_int_equal(reason_at_once(policy, CM_DIRECTION_OUT, ALICE),
				 CM_REASON_ENCRYPTED);
	assert_int_equal(send_as(policy, CM_DIRECTION_OUT, ALICE).reason, CM_REASON_ENCRYPTED);
	assert_int_equal(send_as(policy, CM_DIRECTION_OUT, "<ALICE@relay.test>").reason,
			 CM_REASON_ENCRYPTED);
	next = cm_policy_renew(policy, config, NULL);
	cm_policy_free(&policy);
	assert_int_equal(send_as(next, CM_DIRECTION_OUT, "alice@relay.test").reason,
			 CM_REASON_ENCRYPTED);
	verdict = send_as(next, CM_DIRECTION_OUT, ALICE);
	assert_int_equal(verdict.reason, CM_REASON_RATE_LIMIT);
	assert_int_equal(verdict.code, 450);
	assert_string_equal(verdict.enhanced, "");
	assert_string_equal(verdict.text, "4.7.1: Too much mail from <alice@relay.test>");
	assert_int_equal(send_as(next, CM_DIRECTION_OUT, "<bob@relay.test>").reason,
			 CM_REASON_FROM_MISMATCH);
	assert_int_equal(send_as(next, CM_DIRECTION_IN, ALICE).reason, CM_REASON_ENCRYPTED);
	cm_policy_free(&next);
	cm_config_free(&config);
}

static void blocked_senders_are_refused_in_incoming_mail(void **state)
{
	struct fixture *fixture = *state;
	char *list = test_path(fixture->directory, "blocked");
	char *line = NULL, *text = test_usual_message();
	char *from_spammer = test_replaced(text, FROM_LINE, "From: x@spam.test\n");
	struct cm_config *config;
	struct cm_policy *policy;
	struct cm_verdict verdict;

	test_write_text(fixture->directory, "blocked", "spam.test\n");
	assert_true(asprintf(&line, "blocked_senders_file = %s\n", list) > 0);
	config = test_config(fixture->directory, line);
	policy = cm_policy_new(config, NULL);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_IN, "<a@spam.test>"),
			 CM_REASON_BLOCKED_SENDER);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_OUT, "<a@spam.test>"),
			 CM_REASON_ENCRYPTED);
	verdict = test_judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", from_spammer);
	assert_int_equal(verdict.reason, CM_REASON_BLOCKED_SENDER);
	assert_int_equal(verdict.code, 554);
	verdict = test_judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", text);
	assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(from_spammer);
	free(text);
	free(line);
	free(list);
}

static void only_listed_domains_are_federated(void **state)
{
	struct fixture *fixture = *state;
	char *list = test_path(fixture->directory, "allowed");
	char *line = NULL, *text = test_usual_message();
	char *of_stranger = test_replaced(text, FROM_LINE, "From: x@stranger.test\n");
	char *of_friend = test_replaced(text, FROM_LINE, "From: x@friend.test\n");
	struct cm_config *config;
	struct cm_policy *policy;
	struct cm_verdict verdict;

	test_write_text(fixture->directory, "allowed", "friend.test\npeer.test\n");
	assert_true(asprintf(&line, "federation = listed\nfederation_allow_file = %s\n", list) > 0);
	config = test_config(fixture->directory, line);
	policy = cm_policy_new(config, NULL);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_IN, "<a@stranger.test>"),
			 CM_REASON_FEDERATION);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_OUT, ALICE), CM_REASON_ENCRYPTED);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_IN, "<a@friend.test>"),
			 CM_REASON_ENCRYPTED);
	verdict = test_judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", of_stranger);
	assert_int_equal(verdict.reason, CM_REASON_FEDERATION);
	assert_int_equal(verdict.code, 554);
	assert_non_null(strstr(verdict.text, "does not exchange mail"));
	verdict = test_judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", of_friend);
	assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(of_friend);
	free(of_stranger);
	free(text);
	free(line);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_number_of_recipients_is_limited),
	    cmocka_unit_test(senders_have_a_rate),
	    cmocka_unit_test(blocked_senders_are_refused_in_incoming_mail),
	    cmocka_unit_test(only_listed_domains_are_federated),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
