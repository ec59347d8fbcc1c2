/*
 * test_policy_delivery - who sends to whom, and the replies
 */
#include "policy_fixture.h"

#include "reply.h"

#include <pthread.h>

/* A header that decides against a message does so before its body arrives. */
static void hopeless_messages_are_refused_after_the_header(void **state)
{
	static const char *const headers[] = {
	    FROM_LINE "Subject: hi\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: text/plain\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: multipart/encrypted; boundary=a\n\n",
	    FROM_LINE FROM_LINE "\n",
	    "Subject: hi\n\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(headers); i++) {
		for (int direction = 0; direction < 2; direction++) {
			struct test_delivery delivery = {.piece = 1, .headers_done = false};
			struct cm_verdict verdict;

			delivery.message =
			    cm_message_begin(fixture->policy, (enum cm_direction)direction, ALICE);
			assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
			test_give(&delivery, headers[i], strlen(headers[i]));
			assert_false(delivery.headers_done);
			cm_message_verdict(delivery.message, &verdict);
			assert_true(verdict.code == 523 || verdict.code == 500);
			cm_message_free(&delivery.message);
		}
	}
}

static void replies_contain_upstreams_texts(void **state)
{
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	struct cm_verdict verdict;

	verdict = test_judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>",
			     FROM_LINE "Subject: hi\n\nHello Bob\n");
	assert_int_equal(verdict.code, 523);
	assert_string_equal(verdict.enhanced, "");
	assert_string_equal(verdict.text, "Encryption Needed: Invalid Unencrypted Mail");

	verdict = test_judge_bytes(fixture->policy, CM_DIRECTION_OUT, "<mallory@relay.test>",
				   "<bob@peer.test>", text, strlen(text), 100);
	assert_int_equal(verdict.code, 500);
	assert_string_equal(verdict.text,
			    "Invalid FROM <alice@relay.test> for <mallory@relay.test>");

	verdict =
	    test_judge(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", "Subject: hi\n\n");
	assert_int_equal(verdict.code, 500);
	assert_string_equal(verdict.text, "Invalid FROM header");
	free(text);
}

/* MAIL FROM gets its verdict before the recipients are known. */
static void envelope_senders_are_judged_at_once(void **state)
{
	static const struct {
		const char *path;
		const char *text; /* NULL: no verdict yet */
	} outgoing[] = {
	    {"<alice@relay.test>", NULL},
	    {"alice@relay.test", NULL},
	    {"<Alice@Relay.test>", NULL},
	    {"<alice@[192.0.2.1]>", NULL},
	    {"<>", "Invalid from address <>"},
	    {"", "Invalid from address <>"},
	    {"<alice>", "Invalid from address <alice>"},
	    {"<a b@relay.test>", "Invalid from address <a?b@relay.test>"},
	    {"<\"a b\"@relay.test>", "Invalid from address <\"a?b\"@relay.test>"},
	    {"<@x:a@relay.test>", "Invalid from address <@x:a@relay.test>"},
	    {"<a/b@relay.test>", "Invalid from address <a/b@relay.test>"},
	    {"<a%b\r\nc>", "Invalid from address <a%b??c>"},
	    {"<a@m\xc3\xbcller.test>", "Invalid from address <a@m??ller.test>"},
	};
	struct fixture *fixture = *state;
	struct cm_message *message;
	struct cm_verdict verdict;
	char huge[4096];

	for (size_t i = 0; i < COUNT(outgoing); i++) {
		message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, outgoing[i].path);
		cm_message_verdict(message, &verdict);
		if (outgoing[i].text != NULL) {
			assert_int_equal(verdict.code, 500);
			assert_int_equal(verdict.reason, CM_REASON_ENVELOPE_FROM);
			assert_string_equal(verdict.text, outgoing[i].text);
			assert_false(cm_message_recipient(message, "<bob@peer.test>"));
			assert_false(cm_message_header(message, "From", "alice@relay.test"));
			assert_false(cm_message_end_of_headers(message));
			assert_false(cm_message_body(message, "x", 1));
		} else {
			assert_int_equal(verdict.code, 0);
		}
		cm_message_free(&message);
	}
	memset(huge, 'a', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, huge);
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.code, 500);
	assert_int_equal(strlen(verdict.text), strlen("Invalid from address <>") + 254);
	cm_message_free(&message);
}

static void incoming_senders_may_be_null_or_odd(void **state)
{
	static const char *const paths[] = {"<>", "", "<\"a b\"@peer.test>", "<postmaster>"};
	struct fixture *fixture = *state;
	char *text = test_usual_message();

	for (size_t i = 0; i < COUNT(paths); i++) {
		struct cm_verdict verdict =
		    test_judge_bytes(fixture->policy, CM_DIRECTION_IN, paths[i],
				     "<carol@relay.test>", text, strlen(text), 1000);

		assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
	}
	free(text);
}

/* A failed lookup is an internal error, and never accepts the message. */
static void an_unreadable_mailbox_is_an_internal_error(void **state)
{
	struct fixture *fixture = *state;
	struct cm_verdict verdict;

	test_write_text(fixture->directory, "mail/file@relay.test", "");
	verdict = test_judge(fixture->policy, CM_DIRECTION_IN, "<file@relay.test>",
			     FROM_LINE "Subject: hi\n\nHello Bob\n");
	assert_int_equal(verdict.reason, CM_REASON_INTERNAL);
	assert_int_equal(verdict.code, 451);
	assert_string_equal(verdict.enhanced, "4.3.0");
}

static void incoming_mail_needs_a_signature(void **state)
{
	static const struct {
		enum cm_dkim_status dkim;
		enum cm_reason reason;
		int code;
		const char *enhanced, *text;
	} cases[] = {
	    {CM_DKIM_VALID, CM_REASON_ENCRYPTED, 250, "2.0.0", "Ok"},
	    {CM_DKIM_NONE, CM_REASON_NO_DKIM, 554, "5.7.1", "No DKIM signature found"},
	    {CM_DKIM_INVALID, CM_REASON_INVALID_DKIM, 554, "5.7.1",
	     "No valid DKIM signature found"},
	    {CM_DKIM_TEMPORARY, CM_REASON_DKIM_TEMPORARY, 451, "4.7.5",
	     "DKIM signature cannot be checked now, try again later"},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();
	char *literal = test_replaced(usual, FROM_LINE, "From: alice@[192.0.2.1]\n");

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_delivery delivery = {.piece = 100};
		struct cm_verdict verdict;

		delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_IN, "<>");
		assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
		test_give(&delivery, usual, strlen(usual));
		assert_string_equal(cm_message_from_domain(delivery.message), "relay.test");
		assert_true(cm_message_needs_dkim(delivery.message));
		cm_message_end(delivery.message, cases[i].dkim, &verdict);
		assert_int_equal(verdict.reason, cases[i].reason);
		assert_int_equal(verdict.code, cases[i].code);
		assert_string_equal(verdict.enhanced, cases[i].enhanced);
		assert_string_equal(verdict.text, cases[i].text);
		cm_message_free(&delivery.message);

		/* An address literal has no domain to query; an outgoing message needs no
		   signature. */
		for (int direction = 0; direction < 2; direction++) {
			delivery.message = cm_message_begin(
			    fixture->policy, (enum cm_direction)direction, "<alice@[192.0.2.1]>");
			assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
			test_give(&delivery, literal, strlen(literal));
			assert_false(cm_message_needs_dkim(delivery.message));
			cm_message_end(delivery.message, cases[i].dkim, &verdict);
			assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
			cm_message_free(&delivery.message);
		}
	}
	free(literal);
	free(usual);
}

/* A relay without a name has no key; still, only its users may use their addresses. */
static void only_users_send_from_our_own_literal(void **state)
{
	static const struct {
		const char *from;
		enum cm_reason reason;
	} cases[] = {
	    {"From: alice@[192.0.2.1]\n", CM_REASON_NO_DKIM},
	    {"From: alice@[192.0.2.2]\n", CM_REASON_ENCRYPTED},
	};
	struct fixture *fixture = *state;
	char *path = test_path(fixture->directory, "literal.ini");
	char *usual = test_usual_message(), *ini;
	struct cm_config *config;
	struct cm_policy *policy;

	test_make_mailbox(fixture, "carol@[192.0.2.1]", "{PLAIN}secret");
	assert_true(asprintf(&ini, "[params]\nmail_domain = 192.0.2.1\nmailboxes_dir = %s\n",
			     fixture->config->mailboxes_dir) > 0);
	test_write_text(fixture->directory, "literal.ini", ini);
	free(ini);
	config = cm_config_load(path, NULL, NULL, NULL);
	assert_non_null(config);
	policy = cm_policy_new(config, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		static const char *const to[3] = {"<carol@[192.0.2.1]>"};
		char *text = test_replaced(usual, FROM_LINE, cases[i].from);

		assert_int_equal(test_reason(policy, CM_DIRECTION_IN, "<>", to, text, CM_DKIM_NONE),
				 cases[i].reason);
		free(text);
	}
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(usual);
	free(path);
}

#define SETUP                                                                                      \
	"From: alice@relay.test\nSubject: Autocrypt Setup Message\nMIME-Version: 1.0\n"            \
	"Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\nHello\n--x--\n"

static void setup_messages_go_to_oneself(void **state)
{
	static const struct {
		const char *old, *new;
		const char *recipient[3];
		enum cm_reason reason;
	} cases[] = {
	    {"", "", {ALICE}, CM_REASON_SETUP_MESSAGE},
	    {"", "", {"<Alice@RELAY.test>"}, CM_REASON_SETUP_MESSAGE},
	    {"", "", {"<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {ALICE, "<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {"<bob@relay.test>", ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {ALICE, ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"Setup Message", "Setup", {ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"multipart/mixed", "text/plain", {ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"alice@relay.test", "bob@relay.test", {ALICE}, CM_REASON_FROM_MISMATCH},
	    {"boundary=", "boundary=a; boundary=", {ALICE}, CM_REASON_AMBIGUOUS_HEADER},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = test_replaced(SETUP, cases[i].old, cases[i].new);

		assert_int_equal(test_reason(fixture->policy, CM_DIRECTION_OUT, ALICE,
					     cases[i].recipient, text, CM_DKIM_NONE),
				 cases[i].reason);
		free(text);
	}
}

/* Threads process messages of different kinds at once, as in the daemon. */
struct worker {
	struct cm_policy *policy;
	const char *text;
	enum cm_reason out, in;
	unsigned int wrong;
};

static void *judge_again_and_again(void *context)
{
	struct worker *worker = context;

	for (int i = 0; i < 200; i++) {
		struct cm_verdict out =
		    test_judge(worker->policy, CM_DIRECTION_OUT, "<bob@peer.test>", worker->text);
		struct cm_verdict in =
		    test_judge(worker->policy, CM_DIRECTION_IN, "<carol@relay.test>", worker->text);

		worker->wrong += out.reason != worker->out || in.reason != worker->in;
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	struct fixture *fixture = *state;
	char *usual = test_usual_message();
	char *preamble = test_replaced(usual, PART1, "This is encrypted\n" PART1);
	char *comment = test_replaced(usual, FROM_LINE, "From: alice@relay.test (Alice)\n");
	struct worker workers[] = {
	    {fixture->policy, usual, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, preamble, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, comment, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, SECURE_JOIN, CM_REASON_SECURE_JOIN, CM_REASON_SECURE_JOIN, 0},
	};
	pthread_t threads[COUNT(workers)];

	for (size_t i = 0; i < COUNT(workers); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, judge_again_and_again, &workers[i]), 0);
	for (size_t i = 0; i < COUNT(workers); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].wrong, 0);
	}
	free(comment);
	free(preamble);
	free(usual);
}

/* Calls that are missing or in the wrong order are our own fault: 451. */
static void a_message_without_end_of_headers_is_an_internal_error(void **state)
{
	struct fixture *fixture = *state;
	struct cm_message *message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	struct cm_verdict verdict;

	cm_message_end(message, CM_DKIM_VALID, &verdict);
	assert_int_equal(verdict.code, 451);
	cm_message_free(&message);
	message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	assert_false(cm_message_body(message, "x", 1));
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.code, 451);
	cm_message_free(&message);
}

static void explanations_contain_the_structure(void **state)
{
	static const char *const lines[] = {
	    "direction: out, 1 recipients, 8 headers",
	    "from: alice@relay.test",
	    "type: multipart/encrypted",
	    "part 1: application/pgp-encrypted, 7bit, 2 lines",
	    "part 2: application/octet-stream, 7bit",
	    "armor: 0 headers, with checksum",
	    "packet 1: PKESK version 3, 94 bytes, new format",
	    "packet 2: SEIPD version 1, 300 bytes, new format",
	    "rule: encrypted",
	};
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	struct test_delivery delivery = {.piece = 100};
	struct cm_verdict verdict;
	char *seen = NULL;
	size_t size;
	FILE *stream = open_memstream(&seen, &size);

	delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	assert_true(cm_message_recipient(delivery.message, "<bob@peer.test>"));
	test_give(&delivery, text, strlen(text));
	cm_message_end(delivery.message, CM_DKIM_NONE, &verdict);
	cm_message_explain(delivery.message, stream);
	fclose(stream);
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (strstr(seen, lines[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", lines[i], seen);
	}
	cm_message_free(&delivery.message);
	free(seen);
	free(text);
}

/* Every reason has a name, and a reply whose enhanced code agrees with the code. */
static void the_table_of_replies_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < CM_REASON_COUNT; i++) {
		const char *name = cm_reason_name((enum cm_reason)i);

		assert_non_null(name);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(name, cm_reason_name((enum cm_reason)k));
	}
	for (int i = 0; i < CM_REASON_COUNT; i++) {
		struct cm_verdict verdict;
		char class;

		cm_reply(&verdict, (enum cm_reason)i, NULL, "a@b.test", "c@d.test");
		class = (char)('0' + verdict.code / 100);
		assert_true(verdict.text[0] != '\0');
		assert_null(strpbrk(verdict.text, "\r\n%"));
		assert_int_equal(class == '2', cm_reason_accepts((enum cm_reason)i));
		assert_true(class == '2' || class == '4' || class == '5');
		assert_true(verdict.enhanced[0] == '\0' || verdict.enhanced[0] == class);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hopeless_messages_are_refused_after_the_header),
	    cmocka_unit_test(replies_contain_upstreams_texts),
	    cmocka_unit_test(envelope_senders_are_judged_at_once),
	    cmocka_unit_test(incoming_senders_may_be_null_or_odd),
	    cmocka_unit_test(an_unreadable_mailbox_is_an_internal_error),
	    cmocka_unit_test(incoming_mail_needs_a_signature),
	    cmocka_unit_test(only_users_send_from_our_own_literal),
	    cmocka_unit_test(setup_messages_go_to_oneself),
	    cmocka_unit_test(threads_do_not_disturb_each_other),
	    cmocka_unit_test(a_message_without_end_of_headers_is_an_internal_error),
	    cmocka_unit_test(explanations_contain_the_structure),
	    cmocka_unit_test(the_table_of_replies_is_complete),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
