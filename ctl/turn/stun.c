#include "stun.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define STUN_ID_SIZE 12

#define HEADER_SIZE    20
#define COOKIE         0x2112a442
#define COOKIE_OFFSET  4
#define ID_OFFSET      8
#define INTEGRITY_SIZE 20

#define FAMILY_IPV4 1
#define FAMILY_IPV6 2

static void put16(unsigned char *data, unsigned int value)
{
	data[0] = (unsigned char)(value >> 8);
	data[1] = (unsigned char)value;
}

static unsigned int get16(const unsigned char *data)
{
	return (unsigned int)data[0] << 8 | data[1];
}

static size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

bool cm_stun_begin(struct cm_stun_message *message, enum cm_stun_type type)
{
	const uint32_t cookie = htonl(COOKIE);

	memset(message->data, 0, sizeof(message->data));
	put16(message->data, type);
	memcpy(message->data + COOKIE_OFFSET, &cookie, sizeof(cookie));
	message->length = HEADER_SIZE;
	return RAND_bytes(message->data + ID_OFFSET, STUN_ID_SIZE) == 1;
}

void cm_stun_add(struct cm_stun_message *message, enum cm_stun_attribute type, const void *value,
		 size_t length)
{
	unsigned char *data = message->data + message->length;

	if (length > CM_STUN_MAX || message->length + 4 + padded(length) > CM_STUN_MAX)
		return;
	put16(data, type);
	put16(data + 2, (unsigned int)length);
	memcpy(data + 4, value, length);
	message->length += 4 + padded(length);
	put16(message->data + 2, (unsigned int)(message->length - HEADER_SIZE));
}

void cm_stun_add_address(struct cm_stun_message *message, enum cm_stun_attribute type,
			 const struct sockaddr *address)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
	bool is_ipv4 = address->sa_family == AF_INET;
	unsigned char value[20] = {0};
	size_t length = is_ipv4 ? 4 : 16;

	value[1] = is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6;
	put16(value + 2, ntohs(is_ipv4 ? ipv4->sin_port : ipv6->sin6_port) ^ (COOKIE >> 16));
	memcpy(value + 4, is_ipv4 ? (const void *)&ipv4->sin_addr : (const void *)&ipv6->sin6_addr,
	       length);
	/* Cookie and transaction ID, which follow each other (RFC 8489 14.2). */
	for (size_t i = 0; i < length; i++)
		value[4 + i] ^= message->data[COOKIE_OFFSET + i];
	cm_stun_add(message, type, value, 4 + length);
}

/* The HMAC of the first length bytes; the header counts as if the attribute followed them. */
static bool integrity(const struct cm_stun_message *message, size_t length,
		      const unsigned char *key, unsigned char digest_r[INTEGRITY_SIZE])
{
	struct cm_stun_message copy = *message;

	put16(copy.data + 2, (unsigned int)(length + 4 + INTEGRITY_SIZE - HEADER_SIZE));
	return HMAC(EVP_sha1(), key, CM_STUN_KEY_SIZE, copy.data, length, digest_r, NULL) != NULL;
}

void cm_stun_sign(struct cm_stun_message *message, const unsigned char key[CM_STUN_KEY_SIZE])
{
	unsigned char digest[INTEGRITY_SIZE];

	if (integrity(message, message->length, key, digest))
		cm_stun_add(message, CM_STUN_MESSAGE_INTEGRITY, digest, sizeof(digest));
}

bool cm_stun_key(const char *username, const char *realm, const char *password,
		 unsigned char key_r[CM_STUN_KEY_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
		    EVP_DigestUpdate(context, username, strlen(username)) == 1 &&
		    EVP_DigestUpdate(context, ":", 1) == 1 &&
		    EVP_DigestUpdate(context, realm, strlen(realm)) == 1 &&
		    EVP_DigestUpdate(context, ":", 1) == 1 &&
		    EVP_DigestUpdate(context, password, strlen(password)) == 1 &&
		    EVP_DigestFinal_ex(context, key_r, NULL) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

bool cm_stun_answers(const struct cm_stun_message *message, const struct cm_stun_message *request)
{
	return message->length >= HEADER_SIZE && message->length <= CM_STUN_MAX &&
	       get16(message->data + 2) + HEADER_SIZE == message->length &&
	       memcmp(message->data + COOKIE_OFFSET, request->data + COOKIE_OFFSET,
		      ID_OFFSET - COOKIE_OFFSET + STUN_ID_SIZE) == 0;
}

unsigned int cm_stun_type(const struct cm_stun_message *message)
{
	return get16(message->data);
}

const unsigned char *cm_stun_find(const struct cm_stun_message *message,
				  enum cm_stun_attribute type, size_t *length_r)
{
	size_t offset = HEADER_SIZE;

	while (offset + 4 <= message->length) {
		size_t length = get16(message->data + offset + 2);

		if (length > message->length - offset - 4)
			return NULL;
		if (get16(message->data + offset) == type) {
			*length_r = length;
			return message->data + offset + 4;
		}
		offset += 4 + padded(length);
	}
	return NULL;
}

unsigned int cm_stun_error(const struct cm_stun_message *message)
{
	size_t length;
	const unsigned char *value = cm_stun_find(message, CM_STUN_ERROR_CODE, &length);

	return value != NULL && length >= 4 ? (value[2] & 7U) * 100U + value[3] : 0;
}

bool cm_stun_verify(const struct cm_stun_message *message,
		    const unsigned char key[CM_STUN_KEY_SIZE])
{
	unsigned char digest[INTEGRITY_SIZE];
	size_t length;
	const unsigned char *value = cm_stun_find(message, CM_STUN_MESSAGE_INTEGRITY, &length);

	return value != NULL && length == INTEGRITY_SIZE &&
	       integrity(message, (size_t)(value - 4 - message->data), key, digest) &&
	       CRYPTO_memcmp(value, digest, sizeof(digest)) == 0;
}
