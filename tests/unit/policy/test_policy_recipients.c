/*
 * test_policy_recipients - which recipients exist, which accept cleartext, and which senders may
 * get a bounce
 */
#include "policy_fixture.h"

struct envelope {
	const char *recipient[3];
	enum cm_reason reason;
};

static void check_envelopes(struct cm_policy *policy, enum cm_direction direction, const char *text,
			    const struct envelope *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum cm_reason reason = direction == CM_DIRECTION_IN
					    ? test_reason(policy, direction, "<>",
							  cases[i].recipient, text, CM_DKIM_VALID)
					    : test_reason(policy, direction, ALICE,
							  cases[i].recipient, text, CM_DKIM_NONE);

		if (reason != cases[i].reason)
			fail_msg("case %zu: %s", i, cm_reason_name(reason));
	}
}

static void one_recipient_that_refuses_cleartext_is_enough(void **state)
{
	static const struct envelope cases[] = {
	    {{"<bob@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<BOB@Relay.Test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<nobody@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<nobody+tag@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob@[127.0.0.1]>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob+tag@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<carol+tag@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol+@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<Carol+a+b@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    /* the mail server turns this into carol@relay.test */
	    {{"<carol>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"carol\"@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"carol+a\"@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"carol@relay.test\"@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"relay.test!carol\"@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"bob\"@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<@relay.test:carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test.>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol%relay.test@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<relay.test!carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<postmaster>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<+@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<Carol@RELAY.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob@relay.test>", "<carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test>", "<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob@relay.test>", "<nobody@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<nobody@relay.test>", "<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@peer.test>"}, CM_REASON_NOT_ENCRYPTED},
	};
	static const char text[] = FROM_LINE "Subject: hi\n\nHello Bob\n";
	struct fixture *fixture = *state;

	check_envelopes(fixture->policy, CM_DIRECTION_IN, text, cases, COUNT(cases));
}

static void one_recipient_must_exist(void **state)
{
	static const struct envelope cases[] = {
	    {{"<bob@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<carol@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<BOB+tag@Relay.Test>"}, CM_REASON_ENCRYPTED},
	    {{"<nobody@relay.test>", "<bob@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<bob@relay.test>", "<nobody@relay.test>"}, CM_REASON_ENCRYPTED},
	    /* addresses that only the mail server can read */
	    {{"<\"bob\"@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<nobody@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<nobody+bob@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<no1@relay.test>", "<no2@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<blocked@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<halfmade@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<bob@peer.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<bob@[127.0.0.1]>"}, CM_REASON_NO_SUCH_USER},
	};
	struct fixture *fixture = *state;
	char *text = test_usual_message();

	test_make_mailbox(fixture, "blocked@relay.test", "");
	test_make_mailbox(fixture, "halfmade@relay.test", NULL);
	check_envelopes(fixture->policy, CM_DIRECTION_IN, text, cases, COUNT(cases));
	free(text);
}

/* An encrypted message of Alice's, once with each envelope. */
static void send_to(struct cm_policy *policy, const struct envelope *cases, size_t count)
{
	char *text = test_usual_message();

	check_envelopes(policy, CM_DIRECTION_OUT, text, cases, count);
	free(text);
}

/* Clients show a refusal, but no bounce. */
static void a_message_that_reaches_nobody_does_not_leave(void **state)
{
	static const struct envelope cases[] = {
	    {{"<bob@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<nobody@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<Nobody+tag@Relay.Test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<\"nobody\"@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<no1@relay.test>", "<no2@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<barred@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<nobody@relay.test>", "<bob@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<bob@relay.test>", "<nobody@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<nobody@relay.test>", "<x@peer.test>"}, CM_REASON_ENCRYPTED},
	    {{"<nobody@relay.test>", "<x@[127.0.0.1]>"}, CM_REASON_ENCRYPTED},
	    {{"<x@peer.test>"}, CM_REASON_ENCRYPTED},
	    /* addresses that only the mail server can read */
	    {{"<nobody%relay.test@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<postmaster>"}, CM_REASON_ENCRYPTED},
	    /* a copy for the sender's own devices reaches no other recipient */
	    {{"<alice@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<alice+tag@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<alice@relay.test>", "<nobody@relay.test>"}, CM_REASON_NO_SUCH_USER},
	    {{"<nobody@relay.test>", "<ALICE@relay.test>"}, CM_REASON_NO_SUCH_USER},
	};
	struct fixture *fixture = *state;

	test_make_mailbox(fixture, "barred@relay.test", "");
	send_to(fixture->policy, cases, COUNT(cases));
}

static void nor_one_for_domains_without_exchange_alone(void **state)
{
	static const struct envelope cases[] = {
	    {{"<x@denied.test>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<X+tag@Denied.Test>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<x@[192.0.2.1]>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<x@denied.test>", "<y@[192.0.2.1]>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<nobody@relay.test>", "<x@denied.test>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<x@denied.test>", "<nobody@relay.test>"}, CM_REASON_RECIPIENT_FEDERATION},
	    {{"<alice@relay.test>", "<x@denied.test>"}, CM_REASON_RECIPIENT_FEDERATION},
	    /* a group loses only those members */
	    {{"<x@denied.test>", "<bob@relay.test>"}, CM_REASON_ENCRYPTED},
	    {{"<bob@relay.test>", "<x@denied.test>"}, CM_REASON_ENCRYPTED},
	    {{"<x@denied.test>", "<x@peer.test>"}, CM_REASON_ENCRYPTED},
	    {{"<alice@relay.test>"}, CM_REASON_ENCRYPTED},
	};
	struct fixture *fixture = *state;
	char *list = test_path(fixture->directory, "denied"), *line = NULL;
	struct cm_config *config;
	struct cm_policy *policy;

	test_write_text(fixture->directory, "denied", "denied.test\n[192.0.2.1]\n");
	assert_true(asprintf(&line,
			     "federation_deny_file = %s\n"
			     "max_user_send_burst_size = 100\n",
			     list) > 0);
	config = test_config(fixture->directory, line);
	policy = cm_policy_new(config, NULL);
	send_to(policy, cases, COUNT(cases));
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(line);
	free(list);
}

/* A sender who does not encrypt learns nothing about accounts. */
static void content_is_judged_before_recipients(void **state)
{
	static const char text[] = FROM_LINE "Subject: hi\n\nHello\n";
	struct fixture *fixture = *state;

	assert_int_equal(
	    test_judge(fixture->policy, CM_DIRECTION_OUT, "<nobody@relay.test>", text).reason,
	    CM_REASON_NOT_ENCRYPTED);
}

/* A peer whose signature is invalid learns nothing about accounts. */
static void strangers_are_not_told_who_exists(void **state)
{
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	const char *const to[3] = {"<nobody@relay.test>"};

	assert_int_equal(
	    test_reason(fixture->policy, CM_DIRECTION_IN, "<>", to, text, CM_DKIM_INVALID),
	    CM_REASON_INVALID_DKIM);
	free(text);
}

static void only_a_proven_sender_gets_bounces(void **state)
{
	static const struct {
		const char *from, *sender, *client;
		bool drops;
	} cases[] = {
	    {"alice@peer.test", "<alice@peer.test>", "192.0.2.9", false},
	    {"alice@peer.test", "<bounces+x@Peer.Test>", NULL, false},
	    {"alice@peer.test", "<>", "192.0.2.9", false},
	    {"alice@peer.test", "<alice@other.test>", "192.0.2.9", true},
	    {"alice@peer.test", "<alice@sub.peer.test>", "192.0.2.9", true},
	    {"alice@peer.test", "<bob@relay.test>", "192.0.2.9", true},
	    {"alice@peer.test", "<postmaster>", "192.0.2.9", true},
	    {"alice@peer.test", "<\"a b\"@peer.test>", "192.0.2.9", true},
	    {"alice@peer.test", "<alice@[192.0.2.9]>", "192.0.2.9", true},
	    {"alice@[192.0.2.9]", "<alice@peer.test>", "192.0.2.9", true},
	    {"alice@[192.0.2.9]", "<alice@[192.0.2.9]>", "192.0.2.9", false},
	    {"alice@[192.0.2.9]", "<alice@[192.0.2.9]>", "192.0.2.8", true},
	    {"alice@[192.0.2.9]", "<alice@[192.0.2.9]>", NULL, true},
	    {"alice@[IPv6:2001:db8::9]", "<a@[IPv6:2001:db8::9]>", "2001:db8:0::9", false},
	    {"alice@[IPv6:2001:db8::9]", "<a@[IPv6:2001:db8::9]>", "2001:db8::8", true},
	    {"alice@[IPv6:2001:db8::9]", "<a@[IPv6:2001:db8::9]>", "192.0.2.9", true},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_delivery delivery = {.piece = 100};
		char *line = NULL, *text;
		struct cm_verdict verdict;

		assert_true(asprintf(&line, "From: %s\n", cases[i].from) > 0);
		text = test_replaced(usual, FROM_LINE, line);
		delivery.message =
		    cm_message_begin(fixture->policy, CM_DIRECTION_IN, cases[i].sender);
		if (cases[i].client != NULL)
			assert_true(cm_message_client(delivery.message, cases[i].client));
		assert_true(cm_message_recipient(delivery.message, "<bob@relay.test>"));
		test_give(&delivery, text, strlen(text));
		cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
		assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
		if (verdict.drops_sender != cases[i].drops)
			fail_msg("case %zu: the sender is %s", i,
				 verdict.drops_sender ? "dropped" : "kept");
		cm_message_free(&delivery.message);
		free(line);
		free(text);
	}
	free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_recipient_that_refuses_cleartext_is_enough),
	    cmocka_unit_test(one_recipient_must_exist),
	    cmocka_unit_test(a_message_that_reaches_nobody_does_not_leave),
	    cmocka_unit_test(nor_one_for_domains_without_exchange_alone),
	    cmocka_unit_test(content_is_judged_before_recipients),
	    cmocka_unit_test(strangers_are_not_told_who_exists),
	    cmocka_unit_test(only_a_proven_sender_gets_bounces),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
