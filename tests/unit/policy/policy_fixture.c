#include "policy_fixture.h"

/* bob accepts cleartext, carol refuses it. */
int test_policy_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	void *directory = NULL;
	static const char *const parts[] = {"mail", "mail/bob@relay.test", "mail/carol@relay.test"};

	if (fixture == NULL || test_directory_setup(&directory) != 0)
		return -1;
	fixture->directory = directory;
	for (size_t i = 0; i < 3; i++) {
		char *path = test_path(directory, parts[i]);

		assert_int_equal(mkdir(path, 0700), 0);
		free(path);
	}
	test_write_text(directory, "mail/bob@relay.test/password", "{PLAIN}secret");
	test_write_text(directory, "mail/carol@relay.test/password", "{PLAIN}secret");
	test_write_text(directory, "mail/carol@relay.test/enforceE2EEincoming", "");
	fixture->config = test_config(fixture->directory, "max_user_send_per_minute = 1000000\n"
							  "max_user_send_burst_size = 1000000\n");
	fixture->policy = cm_policy_new(fixture->config, NULL);
	*state = fixture;
	return fixture->policy != NULL ? 0 : -1;
}

int test_policy_teardown(void **state)
{
	struct fixture *fixture = *state;
	void *directory = fixture->directory;

	cm_policy_free(&fixture->policy);
	cm_config_free(&fixture->config);
	free(fixture);
	return test_directory_teardown(&directory);
}

void test_give(struct test_delivery *delivery, const char *data, size_t length)
{
	assert_int_not_equal(test_deliver(delivery, data, length), CM_MESSAGE_FILE_NO_MEMORY);
}

struct cm_verdict test_judge_bytes(struct cm_policy *policy, enum cm_direction direction,
				   const char *from, const char *to, const char *data,
				   size_t length, size_t piece)
{
	struct test_delivery delivery = {.message = cm_message_begin(policy, direction, from),
					 .piece = piece};
	struct cm_verdict verdict;

	assert_non_null(delivery.message);
	if (cm_message_recipient(delivery.message, to))
		test_give(&delivery, data, length);
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	cm_message_free(&delivery.message);
	return verdict;
}

struct cm_verdict test_judge(struct cm_policy *policy, enum cm_direction direction, const char *to,
			     const char *text)
{
	size_t length;
	char *wire = test_wire(text, &length);
	const char *from = direction == CM_DIRECTION_OUT ? ALICE : "<list-bounces@peer.test>";
	struct cm_verdict verdict =
	    test_judge_bytes(policy, direction, from, to, wire, length, CM_MESSAGE_FILE_CHUNK);

	free(wire);
	return verdict;
}

enum cm_reason test_reason(struct cm_policy *policy, enum cm_direction direction, const char *from,
			   const char *const to[3], const char *text, enum cm_dkim_status dkim)
{
	struct test_delivery delivery = {.message = cm_message_begin(policy, direction, from),
					 .piece = 100};
	struct cm_verdict verdict;

	assert_non_null(delivery.message);
	for (size_t i = 0; i < 3 && to[i] != NULL; i++)
		assert_true(cm_message_recipient(delivery.message, to[i]));
	test_give(&delivery, text, strlen(text));
	cm_message_end(delivery.message, dkim, &verdict);
	cm_message_free(&delivery.message);
	return verdict.reason;
}

/* The message in a file's form, with LF; \2 becomes NUL here, too. */
static char *plain(const char *text, size_t *length_r)
{
	char *out = strdup(text);

	assert_non_null(out);
	*length_r = strlen(out);
	for (char *c = out; *c != '\0'; c++)
		*c = (char)(*c == '\2' ? '\0' : *c);
	return out;
}

void test_expect(struct cm_policy *policy, enum cm_direction direction, const char *to,
		 const char *text, enum cm_reason reason, size_t number)
{
	static const size_t pieces[] = {CM_MESSAGE_FILE_CHUNK, 1, 7};

	for (size_t i = 0; i < 2 * sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t length;
		char *data = i % 2 == 0 ? test_wire(text, &length) : plain(text, &length);
		const char *from = direction == CM_DIRECTION_OUT ? ALICE : "<bounces@peer.test>";
		struct cm_verdict verdict =
		    test_judge_bytes(policy, direction, from, to, data, length, pieces[i / 2]);

		if (verdict.reason != reason)
			fail_msg("case %zu, %s, %s, pieces of %zu: %s (%s), not %s\n%s", number,
				 direction == CM_DIRECTION_OUT ? "out" : "in",
				 i % 2 == 0 ? "CRLF" : "LF", pieces[i / 2],
				 cm_reason_name(verdict.reason),
				 verdict.why != NULL ? verdict.why : "-", cm_reason_name(reason),
				 text);
		assert_int_equal(verdict.code >= 200 && verdict.code < 300,
				 cm_reason_accepts(reason));
		free(data);
	}
}

static bool is_about_content(enum cm_reason reason)
{
	return reason != CM_REASON_FROM_HEADER && reason != CM_REASON_FROM_MISMATCH;
}

void test_check_table(struct fixture *fixture, const char *base, const struct change *table,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct change *change = &table[i];
		char *text = change->old != NULL ? test_replaced(base, change->old, change->new)
						 : strdup(change->new);

		if (change->side & OUT)
			test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
				    change->reason, i);
		if (change->side & IN) {
			bool tolerated =
			    !cm_reason_accepts(change->reason) && is_about_content(change->reason);

			test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
				    change->reason, i);
			test_expect(fixture->policy, CM_DIRECTION_IN, "<bob@relay.test>", text,
				    tolerated ? CM_REASON_CLEARTEXT_ALLOWED : change->reason, i);
		}
		free(text);
	}
}

void test_make_mailbox(const struct fixture *fixture, const char *address, const char *password)
{
	char *name = NULL, *path;

	assert_true(asprintf(&name, "mail/%s", address) > 0);
	path = test_path(fixture->directory, name);
	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
	free(name);
	if (password == NULL)
		return;
	assert_true(asprintf(&name, "mail/%s/password", address) > 0);
	test_write_text(fixture->directory, name, password);
	free(name);
}

char *test_usual_message(void)
{
	size_t length;
	unsigned char *payload = test_payload(300, &length);
	char *armor = test_armored(payload, length, &test_armor_usual);
	char *text = test_encrypted_message(armor);

	free(armor);
	free(payload);
	return text;
}
