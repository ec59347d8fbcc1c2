#include "messages.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct test_armor test_armor_usual = {
    .headers = "",
    .columns = 64,
    .checksum = true,
    .padding = true,
};

static void *need(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* Bytes without a pattern, the same in each run. */
static void fill(unsigned char *out, size_t length)
{
	uint32_t x = 2463534242U;

	for (size_t i = 0; i < length; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		out[i] = (unsigned char)x;
	}
}

unsigned char *test_payload(size_t length, size_t *length_r)
{
	const size_t esk = 94;
	unsigned char *out = need(malloc(2 + esk + 6 + length));
	unsigned char *at = out;

	*at++ = 0xc1;
	*at++ = (unsigned char)esk;
	fill(at, esk);
	*at = 3;
	at += esk;
	*at++ = 0xd2;
	*at++ = 0xff;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (unsigned char)(length >> shift);
	fill(at, length);
	*at = 1;
	*length_r = (size_t)(at - out) + length;
	return out;
}

/* Bit by bit, to compare with the program's tables. */
static uint32_t crc24(const unsigned char *data, size_t length)
{
	uint32_t crc = 0xb704ce;

	while (length-- > 0) {
		crc ^= (uint32_t)*data++ << 16;
		for (int bit = 0; bit < 8; bit++) {
			crc <<= 1;
			if (crc & 0x1000000)
				crc ^= 0x1864cfb;
		}
	}
	return crc & 0xffffff;
}

static size_t encode(const unsigned char *data, size_t length, bool padding, char *out)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *start = out;

	for (size_t i = 0; i < length; i += 3) {
		size_t rest = length - i;
		uint32_t group = (uint32_t)data[i] << 16;

		group |= rest > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		group |= rest > 2 ? (uint32_t)data[i + 2] : 0;
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		if (rest > 1)
			*out++ = alphabet[group >> 6 & 63];
		else if (padding)
			*out++ = '=';
		if (rest > 2)
			*out++ = alphabet[group & 63];
		else if (padding)
			*out++ = '=';
	}
	return (size_t)(out - start);
}

char *test_armored(const unsigned char *data, size_t length, const struct test_armor *how)
{
	char *text = need(malloc(length / 3 * 4 + 8));
	size_t text_length = encode(data, length, how->padding, text);
	char *out =
	    need(malloc(text_length + text_length / how->columns + strlen(how->headers) + 128));
	char *at = out;

	at += sprintf(at, "-----BEGIN PGP MESSAGE-----\n%s\n", how->headers);
	for (size_t i = 0; i < text_length; i += how->columns) {
		size_t rest = text_length - i < how->columns ? text_length - i : how->columns;

		memcpy(at, text + i, rest);
		at += rest;
		*at++ = '\n';
	}
	if (how->checksum) {
		uint32_t crc = crc24(data, length);
		unsigned char bytes[3] = {(unsigned char)(crc >> 16), (unsigned char)(crc >> 8),
					  (unsigned char)crc};

		*at++ = '=';
		at += encode(bytes, 3, false, at);
		*at++ = '\n';
	}
	strcpy(at, "-----END PGP MESSAGE-----\n");
	free(text);
	return out;
}

char *test_encrypted_message(const char *armor)
{
	char *out = NULL;

	if (asprintf(&out,
		     "From: <alice@relay.test>\n"
		     "To: \"hidden-recipients\": ;\n"
		     "Subject: [...]\n"
		     "Date: Sat, 14 Mar 2026 01:02:03 +0000\n"
		     "Message-ID: <4d9a0f4e-3f1f-4e0e-a9b1-0c1f4b4f1c01@localhost>\n"
		     "Chat-Version: 1.0\n"
		     "MIME-Version: 1.0\n"
		     "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"
		     "\tboundary=\"abc\"\n"
		     "\n"
		     "--abc\n"
		     "Content-Type: application/pgp-encrypted; charset=\"utf-8\"\n"
		     "Content-Description: PGP/MIME version identification\n"
		     "Content-Transfer-Encoding: 7bit\n"
		     "\n"
		     "Version: 1\n"
		     "\n"
		     "--abc\n"
		     "Content-Type: application/octet-stream; name=\"encrypted.asc\";\n"
		     "\tcharset=\"utf-8\"\n"
		     "Content-Description: OpenPGP encrypted message\n"
		     "Content-Disposition: inline; filename=\"encrypted.asc\";\n"
		     "Content-Transfer-Encoding: 7bit\n"
		     "\n"
		     "%s"
		     "\n"
		     "--abc--\n",
		     armor) < 0)
		abort();
	return out;
}

char *test_replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *out = NULL;

	if (at == NULL) {
		fprintf(stderr, "nothing to replace: %s\n", old);
		abort();
	}
	if (asprintf(&out, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) < 0)
		abort();
	return out;
}

char *test_wire(const char *text, size_t *length_r)
{
	char *out = need(malloc(2 * strlen(text) + 1));
	char *at = out;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			*at++ = '\r';
		*at++ = (char)(*text == '\2' ? '\0' : *text);
	}
	*at = '\0';
	*length_r = (size_t)(at - out);
	return out;
}
