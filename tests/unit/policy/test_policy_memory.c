/*
 * test_policy_memory - checking a message needs little heap, whatever it contains, and frees it
 *
 * The bodies are generated in pieces, so that only the policy's memory counts.
 */
#include "support.h"

#include "heap.h"
#include "mailboxes.h"
#include "messages.h"
#include "policy.h"

#define LARGE      (31457280 + 100000) /* more than max_message_size */
#define HEAP_BOUND (256 * 1024)

static struct cm_policy *policy;

static struct cm_config config;

static const char before[] =
    "--abc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
    "--abc\r\nContent-Type: application/octet-stream\r\n\r\n"
    "-----BEGIN PGP MESSAGE-----\r\n\r\n";
static const char after[] = "-----END PGP MESSAGE-----\r\n--abc--\r\n";

/* A message whose body is first, then line repeatedly, then last. Returns the heap that it
   needed. */
static size_t judge(enum cm_direction direction, const char *first, const char *line,
		    const char *last, enum cm_reason *reason_r)
{
	struct cm_message *message;
	struct cm_verdict verdict;
	bool go_on;

	heap_start();
	message = cm_message_begin(policy, direction, "<alice@relay.test>");
	assert_true(cm_message_recipient(message, TEST_MAILBOX));
	assert_true(cm_message_header(message, "From", " <alice@relay.test>"));
	assert_true(cm_message_header(message, "MIME-Version", " 1.0"));
	assert_true(cm_message_header(message, "Content-Type",
				      " multipart/encrypted; boundary=abc;\n"
				      " protocol=\"application/pgp-encrypted\""));
	assert_true(cm_message_end_of_headers(message));
	go_on = cm_message_body(message, first, strlen(first));
	for (size_t at = 0; go_on && at < LARGE; at += strlen(line))
		go_on = cm_message_body(message, line, strlen(line));
	if (go_on)
		cm_message_body(message, last, strlen(last));
	cm_message_end(message, CM_DKIM_VALID, &verdict);
	cm_message_free(&message);
	*reason_r = verdict.reason;
	return heap_stop();
}

static void little_heap_for_any_large_message(void **state)
{
	static const struct {
		enum cm_direction direction;
		const char *first, *line;
		enum cm_reason reason;
	} cases[] = {
	    {CM_DIRECTION_OUT, "", "\r\n", CM_REASON_CLEARTEXT_IN_MIME},
	    {CM_DIRECTION_IN, "", "This is a preamble that does not end\r\n",
	     CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_IN, "", "-----\r\n", CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_IN, "", "no line end", CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_OUT, before, "wcBMA\r\n", CM_REASON_PACKETS},
	    {CM_DIRECTION_IN, before, "Comment: again and again\r\n", CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_IN, "--abc\r\n", "X-Header: again and again\r\n",
	     CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_IN, "--abc\r\nX: y\r\n", " folded\r\n", CM_REASON_CLEARTEXT_ALLOWED},
	    {CM_DIRECTION_IN, "--abc\r\n", "--abc\r\n", CM_REASON_CLEARTEXT_ALLOWED},
	};
	enum cm_reason reason;

	(void)state;
	/* GLib keeps the memory of its first use. */
	judge(CM_DIRECTION_OUT, before, "AAAA\r\n", after, &reason);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t heap =
		    judge(cases[i].direction, cases[i].first, cases[i].line, after, &reason);

		if (heap > HEAP_BOUND || reason != cases[i].reason)
			fail_msg("case %zu: %zu bytes of heap, %s", i, heap,
				 cm_reason_name(reason));
	}
}

/* A message that passes: 76 characters a line, 57 bytes of packets. Its first line is the
   SEIPD's header and the first bytes of its body; 0xd2 0xff, the length and the version in
   base64. */
static void little_heap_for_a_large_message_that_passes(void **state)
{
	static const char line[] =
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
	const size_t lines = (LARGE + strlen(line) - 1) / strlen(line);
	const uint32_t length = (uint32_t)(lines * 57 + 3);
	unsigned char head[9] = {
	    0xd2,
	    0xff,
	    (unsigned char)(length >> 24),
	    (unsigned char)(length >> 16),
	    (unsigned char)(length >> 8),
	    (unsigned char)length,
	    1,
	    0,
	    0,
	};
	char *armor = test_armored(head, sizeof(head), &(struct test_armor){"", 76, false, false});
	char *first = NULL;
	enum cm_reason reason;
	size_t heap;

	(void)state;
	/* The armor's only line of data, between its empty line and its end line. */
	*strstr(armor, "-----END") = '\0';
	assert_true(asprintf(&first, "%s%s", before, strchr(armor, '\n') + 2) > 0);
	heap = judge(CM_DIRECTION_OUT, first, line, after, &reason);
	if (heap > HEAP_BOUND || reason != CM_REASON_ENCRYPTED)
		fail_msg("%zu bytes of heap, %s", heap, cm_reason_name(reason));
	free(first);
	free(armor);
}

static int setup(void **state)
{
	(void)state;
	config = test_relay_config();
	policy = cm_policy_new(&config, NULL);
	return policy != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	cm_policy_free(&policy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(little_heap_for_any_large_message),
	    cmocka_unit_test(little_heap_for_a_large_message_that_passes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
