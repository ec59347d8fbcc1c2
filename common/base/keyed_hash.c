#include "keyed_hash.h"

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

uint64_t cm_keyed_hash(const uint64_t key[2], const void *data, size_t length)
{
	const unsigned char *bytes = data;
	uint64_t v[4] = {
	    key[0] ^ 0x736f6d6570736575ULL,
	    key[1] ^ 0x646f72616e646f6dULL,
	    key[0] ^ 0x6c7967656e657261ULL,
	    key[1] ^ 0x7465646279746573ULL,
	};

	for (size_t at = 0; at <= length; at += 8) {
		uint64_t word = length - at < 8 ? (uint64_t)(length & 0xff) << 56 : 0;

		for (size_t i = 0; i < 8 && at + i < length; i++)
			word |= (uint64_t)bytes[at + i] << (8 * i);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
