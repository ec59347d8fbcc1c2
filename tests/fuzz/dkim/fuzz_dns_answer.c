/*
 * fuzz_dns_answer - a DNS reply as libunbound returns it, up to the key in it
 *
 * Input: one byte of flags (see below), then records: two bytes of length, most significant
 * first, and that many bytes, or the rest.
 */
#include "fuzz.h"

#include <string.h>

#include <unbound.h>

#include "dkim_key.h"
#include "dns_answer.h"

#define FLAG_RCODE   0x0f
#define FLAG_BOGUS   0x10
#define FLAG_NODATA  0x20
#define FLAG_ERROR   0x40
#define FLAG_ED25519 0x80

#define RECORDS_MAX 64

/* Each record gets its own block, so that a sanitizer detects a read past its end. */
static size_t make_records(const uint8_t *data, size_t size, char **records, int *lengths)
{
	size_t count = 0;

	while (size >= 2 && count < RECORDS_MAX) {
		size_t length = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		records[count] = malloc(length > 0 ? length : 1);
		require(records[count] != NULL);
		if (length > 0)
			memcpy(records[count], data, length);
		lengths[count++] = (int)length;
		data += length;
		size -= length;
	}
	records[count] = NULL;
	return count;
}

static void check_answer(const struct cm_dns_answer *answer, const struct ub_result *result,
			 size_t count)
{
	require(answer->record_count <= CM_RESOLVER_RECORDS_MAX && answer->record_count <= count);
	for (size_t i = 0; i < answer->record_count; i++)
		require(answer->records[i].length <= (size_t)result->len[i]);
	if (answer->status == CM_RESOLVER_FOUND) {
		require(result->rcode == 0 && !result->bogus && result->havedata);
		require(answer->record_count ==
			(count < CM_RESOLVER_RECORDS_MAX ? count : CM_RESOLVER_RECORDS_MAX));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char digest[CM_DKIM_HASH_SIZE];
	char *records[RECORDS_MAX + 1];
	int lengths[RECORDS_MAX + 1] = {0};
	struct ub_result result = {.qname = (char *)"s._domainkey.peer.test"};
	struct cm_dkim_signature signature = {.bytes_length = 64};
	struct cm_dns_answer answer;
	uint8_t flags = size > 0 ? data[0] : 0;
	size_t count = make_records(data + (size > 0), size - (size > 0), records, lengths);

	result.data = records;
	result.len = lengths;
	result.rcode = flags & FLAG_RCODE;
	result.bogus = (flags & FLAG_BOGUS) != 0;
	result.havedata = (flags & FLAG_NODATA) == 0;
	cm_dns_answer_read((flags & FLAG_ERROR) != 0 ? -1 : 0, &result, &answer);
	check_answer(&answer, &result, count);
	signature.algorithm =
	    (flags & FLAG_ED25519) != 0 ? CM_DKIM_ED25519_SHA256 : CM_DKIM_RSA_SHA256;
	for (size_t i = 0; i < answer.record_count; i++) {
		const char *why;

		require(cm_dkim_key_verify(answer.records[i].text, answer.records[i].length,
					   &signature, digest, &why) != CM_DKIM_ANSWER_VALID);
	}
	cm_dns_answer_free(&answer);
	for (size_t i = 0; i < count; i++)
		free(records[i]);
	return 0;
}
