/*
 * fuzz_dkim_key - a key record with the value of a DKIM-Signature field
 *
 * Input: the record, a NUL, the value. A digest of zeros replaces the message's.
 */
#include "fuzz.h"

#include <string.h>

#include "dkim_key.h"

#define NOW ((time_t)1893456000)

static const unsigned char digest[CM_DKIM_HASH_SIZE];

/* A parsed tag lies within the value. */
static void require_within(const struct cm_tag *tag, const char *value, size_t length)
{
	require(tag->value >= value && tag->value + tag->value_length <= value + length);
	require(tag->raw >= value && tag->raw + tag->raw_length <= value + length);
	require(tag->value >= tag->raw);
	require(tag->value + tag->value_length <= tag->raw + tag->raw_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *record = (const char *)data, *value, *why = "";
	size_t record_length = size == 0 ? 0 : strnlen(record, size), length;
	struct cm_dkim_signature signature;
	enum cm_dkim_answer answer;

	if (record_length == size)
		return 0;
	value = record + record_length + 1;
	length = size - record_length - 1;
	memset(&signature, 0, sizeof(signature));
	if (cm_dkim_signature_parse(value, length, NOW, &signature) == NULL) {
		require_within(&signature.signed_names, value, length);
		require_within(&signature.signature, value, length);
		require(signature.bytes_length > 0);
		require(signature.bytes_length <= sizeof(signature.bytes));
		require(cm_tag_has_word(&signature.signed_names, "from"));
		require(strlen(signature.domain) < strlen(signature.key_name));
	} else {
		/* The key is parsed even if the signature is invalid. */
		memset(&signature, 0, sizeof(signature));
		signature.algorithm = length % 2 == 0 ? CM_DKIM_RSA_SHA256 : CM_DKIM_ED25519_SHA256;
		signature.bytes_length = 64;
	}
	answer = cm_dkim_key_verify(record, record_length, &signature, digest, &why);
	require(answer != CM_DKIM_ANSWER_TROUBLE);
	require((why == NULL) == (answer == CM_DKIM_ANSWER_VALID));
	return 0;
}
