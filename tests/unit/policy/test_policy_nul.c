/*
 * test_policy_nul - a NUL in a body, after which some mail programs show text and others do not
 */
#include "policy_fixture.h"

#include <string.h>

static void expect_refused(struct cm_policy *policy, const char *data, size_t length, size_t at)
{
	static const struct {
		enum cm_direction direction;
		const char *to;
	} ways[] = {
	    {CM_DIRECTION_OUT, "<bob@peer.test>"},
	    {CM_DIRECTION_IN, "<carol@relay.test>"},
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		struct cm_verdict verdict =
		    test_judge_bytes(policy, ways[i].direction, ALICE, ways[i].to, data, length,
				     CM_MESSAGE_FILE_CHUNK);

		if (cm_reason_accepts(verdict.reason))
			fail_msg("%s, byte %zu: %s", ways[i].to, at,
				 cm_reason_name(verdict.reason));
	}
}

/* A NUL at each place of the body, first in place of a byte, then before it. */
static void expect_none_passes(struct cm_policy *policy, const char *text)
{
	size_t length;
	char *wire = test_wire(text, &length);
	const char *body = strstr(wire, "\r\n\r\n");
	char *changed = malloc(length + 1);

	assert_non_null(body);
	assert_non_null(changed);
	for (size_t at = (size_t)(body - wire) + 4; at < length; at++) {
		memcpy(changed, wire, length);
		changed[at] = '\0';
		expect_refused(policy, changed, length, at);
		memcpy(changed + at + 1, wire + at, length - at);
		expect_refused(policy, changed, length + 1, at);
	}
	free(changed);
	free(wire);
}

static void no_encrypted_message_has_a_nul(void **state)
{
	struct fixture *fixture = *state;
	char *usual = test_usual_message();
	char *quoted =
	    test_replaced(usual, CTE2, DISP2 "Content-Transfer-Encoding: quoted-printable\n");

	expect_none_passes(fixture->policy, usual);
	expect_none_passes(fixture->policy, quoted);
	free(quoted);
	free(usual);
}

static void no_secure_join_request_has_a_nul(void **state)
{
	struct fixture *fixture = *state;

	expect_none_passes(fixture->policy, SECURE_JOIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_encrypted_message_has_a_nul),
	    cmocka_unit_test(no_secure_join_request_has_a_nul),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
