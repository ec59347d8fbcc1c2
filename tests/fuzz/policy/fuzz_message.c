/*
 * fuzz_message - a whole message through the policy, in pieces and at once
 *
 * The first byte chooses: bit 0 the direction, bit 2 the null sender of incoming mail.
 */
#include "fuzz.h"

#include "delivery.h"
#include "mailboxes.h"
#include "policy.h"

#include <string.h>

static struct cm_config config;

static const char *incoming_sender;

static enum cm_reason judge(struct cm_policy *policy, enum cm_direction direction, const char *data,
			    size_t size, size_t piece)
{
	const char *sender = direction == CM_DIRECTION_IN ? incoming_sender : "<alice@relay.test>";
	struct test_delivery delivery = {.message = cm_message_begin(policy, direction, sender),
					 .piece = piece};
	struct cm_verdict verdict;

	require(delivery.message != NULL);
	require(cm_message_recipient(delivery.message, TEST_MAILBOX));
	test_deliver(&delivery, data, size);
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	require(verdict.code >= 200 && verdict.code < 600);
	require(verdict.reason != CM_REASON_INTERNAL);
	require((verdict.code == 250) == cm_reason_accepts(verdict.reason));
	cm_message_free(&delivery.message);
	return verdict.reason;
}

static bool contains(const char *data, size_t size, const char *text)
{
	return memmem(data, size, text, strlen(text)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cm_policy *policy;
	const char *text = (const char *)data + 1;
	enum cm_direction direction;
	enum cm_reason reason;

	if (policy == NULL) {
		config = test_relay_config();
		policy = cm_policy_new(&config, NULL);
	}
	require(policy != NULL);
	if (size == 0)
		return 0;
	size--;
	incoming_sender = data[0] & 4 ? "<>" : "<alice@relay.test>";
	direction = data[0] & 1 ? CM_DIRECTION_OUT : CM_DIRECTION_IN;
	reason = judge(policy, direction, text, size, CM_MESSAGE_FILE_CHUNK);
	require(judge(policy, direction, text, size, 1) == reason);
	if (reason == CM_REASON_ENCRYPTED) {
		require(contains(text, size, "ersion"));
		/* A message that may leave is also accepted when it arrives. */
		require(judge(policy, CM_DIRECTION_IN, text, size, 7) == reason);
	}
	return 0;
}
