/*
 * test_packets - which OpenPGP packet streams are one encrypted message (protocol: OpenPGP payload)
 */
#include "support.h"

#include "packets.h"

/* Hexadecimal; "*N" repeats the previous byte until there are N of it. */
struct stream {
	const char *name;
	const char *bytes;
	const char *why; /* a part of the sentence; NULL: accepted */
};

#define SEIPD1  "d2 28 01 aa*39 "
#define SEIPD2  "d2 3c 02 09 02 06 aa*56 "
#define PKESK3  "c1 14 03 aa*19 "
#define LITERAL "cb 08 62 00 aa*6 "

static const struct stream streams[] = {
    /* accepted */
    {"SEIPD alone", SEIPD1, NULL},
    {"SEIPD version 2", SEIPD2, NULL},
    {"PKESK version 3", PKESK3 SEIPD1, NULL},
    {"PKESK version 6", "c1 14 06 aa*19 " SEIPD2, NULL},
    {"PKESK of an unknown version", "c1 14 63 aa*19 " SEIPD1, NULL},
    {"SKESK alone", "c3 0d 04 09 03 08 aa*9 " SEIPD1, NULL},
    {"SKESK version 6", "c3 20 06 aa*31 " SEIPD2, NULL},
    {"PKESK and SKESK", PKESK3 "c3 0d 04 aa*12 " PKESK3 SEIPD1, NULL},
    {"nine PKESK", PKESK3 PKESK3 PKESK3 PKESK3 PKESK3 PKESK3 PKESK3 PKESK3 PKESK3 SEIPD1, NULL},
    {"old format, one-octet length", "84 14 03 aa*19 " SEIPD1, NULL},
    {"old format, two-octet length", "85 0114 03 aa*275 " SEIPD1, NULL},
    {"old format, four-octet length", "86 00000114 03 aa*275 " SEIPD1, NULL},
    {"old format SKESK", "8c 0d 04 aa*12 " SEIPD1, NULL},
    {"two-octet length, lowest", "d2 c000 01 aa*191", NULL},
    {"two-octet length, highest", "d2 dfff 01 aa*8382", NULL},
    {"five-octet length", "d2 ff000000c8 01 aa*199", NULL},
    {"five-octet length where one would do", "d2 ff00000028 01 aa*39", NULL},
    {"partial lengths", "d2 e9 01 aa*511 e9 aa*512 28 aa*40", NULL},
    {"partial lengths, small later chunks", "d2 e9 01 aa*511 e0 aa e3 aa*8 00", NULL},
    {"partial lengths, two-octet last one", "d2 e9 01 aa*511 c000 aa*192", NULL},
    {"partial lengths, five-octet last one", "d2 e9 01 aa*511 ff00000001 aa", NULL},
    {"a first chunk of 8192 bytes", "d2 ed 01 aa*8191 00", NULL},
    {"SEIPD version 2, largest chunks", "d2 3c 02 09 02 10 aa*56", NULL},
    {"SEIPD version 1, shortest", "d2 21 01 aa*32", NULL},
    {"SEIPD version 2, shortest", "d2 34 02 09 02 06 aa*48", NULL},
    /* refused */
    {"nothing", "", "no encrypted data"},
    {"PKESK without data", PKESK3, "no encrypted data"},
    {"SKESK without data", "c3 0d 04 aa*12", "no encrypted data"},
    {"no packet tag bit", "12 28 01 aa*39", "starts no packet"},
    {"text", "48 65 6c 6c 6f", "starts no packet"},
    {"zero", "00", "starts no packet"},
    {"reserved tag 0", "c0 00", "does not occur in encrypted messages"},
    {"signature", "c2 03 aa*3 " SEIPD1, "does not occur in encrypted messages"},
    {"one-pass signature", "c4 0d 03 aa*12 " SEIPD1, "does not occur in encrypted messages"},
    {"secret key", "c5 03 aa*3", "does not occur in encrypted messages"},
    {"public key", "c6 03 aa*3", "does not occur in encrypted messages"},
    {"compressed data", "c8 03 01 aa aa", "compressed"},
    {"compressed data, old, indeterminate", "a3 01 aa aa", "compressed"},
    {"compressed data after PKESK", PKESK3 "c8 03 01 aa aa", "compressed"},
    {"symmetrically encrypted data", "c9 14 aa*20", "integrity"},
    {"symmetrically encrypted data after PKESK", PKESK3 "c9 14 aa*20", "integrity"},
    {"the same, old format", PKESK3 "a4 14 aa*20", "integrity"},
    {"marker", "ca 03 504750 " SEIPD1, "marker"},
    {"literal data", LITERAL, "literal"},
    {"literal data, old format", "ac 08 62 00 aa*6", "literal"},
    {"literal data after PKESK", PKESK3 LITERAL, "literal"},
    {"trust", "cc 01 aa " SEIPD1, "does not occur in encrypted messages"},
    {"user ID", "cd 05 aa*5 " SEIPD1, "does not occur in encrypted messages"},
    {"user attribute", "d1 05 aa*5 " SEIPD1, "does not occur in encrypted messages"},
    {"MDC", "d3 14 aa*20", "does not occur in encrypted messages"},
    {"AEAD data", "d4 28 01 aa*39", "AEAD"},
    {"padding", "d5 05 aa*5 " SEIPD1, "padding"},
    {"padding after the data", SEIPD1 "d5 05 aa*5", "after the encrypted data"},
    {"private tag 60", "fc 05 aa*5 " SEIPD1, "does not occur in encrypted messages"},
    {"private tag 63", "ff 05 aa*5 " SEIPD1, "does not occur in encrypted messages"},
    {"two SEIPD", SEIPD1 SEIPD1, "after the encrypted data"},
    {"PKESK after SEIPD", SEIPD1 PKESK3, "after the encrypted data"},
    {"literal data after SEIPD", SEIPD1 LITERAL, "after the encrypted data"},
    {"a byte after SEIPD", SEIPD1 "00", "after the encrypted data"},
    {"a newline after SEIPD", SEIPD1 "0a", "after the encrypted data"},
    {"SEIPD version 0", "d2 28 00 aa*39", "unknown version"},
    {"SEIPD version 3", "d2 28 03 aa*39", "unknown version"},
    {"SEIPD version 255", "d2 28 ff aa*39", "unknown version"},
    {"SEIPD version 2, chunks too large", "d2 3c 02 09 02 11 aa*56", "too large chunks"},
    {"empty SEIPD", "d2 00", "too short"},
    {"SEIPD of its version alone", "d2 01 01", "too short"},
    {"SEIPD version 1, one byte too short", "d2 20 01 aa*31", "too short"},
    {"SEIPD version 2, one byte too short", "d2 33 02 09 02 06 aa*47", "too short"},
    {"empty PKESK", "c1 00 " SEIPD1, "too short"},
    {"PKESK of one byte", "c1 01 03 " SEIPD1, "too short"},
    {"empty SKESK", "8c 00 " SEIPD1, "too short"},
    {"indeterminate PKESK", "87 03 aa*20", "indeterminate"},
    {"indeterminate SKESK", "8f 04 aa*20", "indeterminate"},
    {"PKESK in partial lengths", "c1 e9 03 aa*511 00 " SEIPD1, "partial length"},
    {"SKESK in partial lengths", "c3 e9 04 aa*511 00 " SEIPD1, "partial length"},
    {"a first chunk of 256 bytes", "d2 e8 01 aa*255 28 aa*40", "under 512"},
    {"a first chunk of one byte", "d2 e0 01 28 aa*40", "under 512"},
    {"cut after the tag", "d2", "truncated packet"},
    {"cut in a two-octet length", "d2 c0", "truncated packet"},
    {"cut in a five-octet length", "d2 ff0000", "truncated packet"},
    {"cut in an old length", "86 0000", "truncated packet"},
    {"cut in the body", "d2 28 01 aa*38", "truncated packet"},
    {"cut in a PKESK", "c1 14 03 aa*10", "truncated packet"},
    {"cut before a body", "d2 28", "truncated packet"},
    {"cut after a partial chunk", "d2 e9 01 aa*511", "truncated packet"},
    {"cut in a later chunk", "d2 e9 01 aa*511 28 aa*3", "truncated packet"},
    {"a length of 4 GB", "d2 ffffffffff 01 aa*100", "truncated packet"},
    {"an old length of 4 GB", "86 ffffffff 03 aa*100", "truncated packet"},
    {"a partial length of 1 GB", "d2 fe 01 aa*100", "truncated packet"},
    {"a length that swallows the SEIPD", "c1 ff0000ffff 03 aa*19 " SEIPD1, "truncated packet"},
};

static size_t from_hex(const char *hex, unsigned char *out, size_t size)
{
	size_t length = 0;

	while (*hex != '\0') {
		unsigned int byte;
		char digits[3] = {0};

		if (*hex == ' ') {
			hex++;
			continue;
		}
		if (*hex == '*') {
			unsigned long count = strtoul(hex + 1, (char **)&hex, 10);

			for (unsigned long i = 1; i < count; i++) {
				assert_true(length < size);
				out[length] = out[length - 1];
				length++;
			}
			continue;
		}
		memcpy(digits, hex, 2);
		byte = (unsigned int)strtoul(digits, NULL, 16);
		assert_true(length < size);
		out[length++] = (unsigned char)byte;
		hex += 2;
	}
	return length;
}

/* The reason for refusal, or NULL for an encrypted message. */
static const char *walk(struct cm_packets *packets, const unsigned char *data, size_t length,
			size_t piece)
{
	cm_packets_init(packets);
	for (size_t at = 0; at < length; at += piece) {
		size_t rest = length - at < piece ? length - at : piece;

		if (!cm_packets_write(packets, data + at, rest))
			return packets->why;
	}
	return cm_packets_end(packets) ? NULL : packets->why;
}

static void streams_have_the_same_result_in_any_pieces(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 7, 48, 100000};
	static unsigned char data[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		size_t length = from_hex(streams[i].bytes, data, sizeof(data));

		for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
			struct cm_packets packets;
			const char *why = walk(&packets, data, length, pieces[k]);

			if (streams[i].why == NULL
				? why != NULL
				: why == NULL || strstr(why, streams[i].why) == NULL)
				fail_msg("%s, pieces of %zu: %s", streams[i].name, pieces[k],
					 why != NULL ? why : "accepted");
		}
	}
}

static void packets_are_remembered(void **state)
{
	static unsigned char data[8192];
	struct cm_packets packets;
	size_t length = from_hex("85 0114 03 aa*275 d2 e9 01 aa*511 28 aa*40", data, sizeof(data));

	(void)state;
	assert_null(walk(&packets, data, length, 5));
	assert_int_equal(packets.count, 2);
	assert_int_equal(packets.remembered[0].tag, 1);
	assert_int_equal(packets.remembered[0].version, 3);
	assert_int_equal(packets.remembered[0].length, 276);
	assert_true(packets.remembered[0].old_format);
	assert_false(packets.remembered[0].partial);
	assert_int_equal(packets.remembered[1].tag, 18);
	assert_int_equal(packets.remembered[1].version, 1);
	assert_int_equal(packets.remembered[1].length, 552);
	assert_false(packets.remembered[1].old_format);
	assert_true(packets.remembered[1].partial);
	assert_string_equal(cm_packet_name(18), "SEIPD");
}

/* A body larger than 4 GB in partial lengths is counted, not stored and not truncated. */
static void a_huge_body_is_walked(void **state)
{
	static unsigned char chunk[1 << 20];
	struct cm_packets packets;
	unsigned char head[] = {0xd2};
	unsigned char size[] = {0xfe}; /* 2^30 */

	(void)state;
	memset(chunk, 1, sizeof(chunk));
	cm_packets_init(&packets);
	assert_true(cm_packets_write(&packets, head, 1));
	for (int i = 0; i < 5; i++) {
		assert_true(cm_packets_write(&packets, size, 1));
		for (int k = 0; k < 1 << 10; k++)
			assert_true(cm_packets_write(&packets, chunk, sizeof(chunk)));
	}
	assert_true(cm_packets_write(&packets, (const unsigned char *)"\0", 1));
	assert_true(cm_packets_end(&packets));
	assert_true(packets.remembered[0].length == (uint64_t)5 << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(streams_have_the_same_result_in_any_pieces),
	    cmocka_unit_test(packets_are_remembered),
	    cmocka_unit_test(a_huge_body_is_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
