/*
 * bench_dkim - measure the verification of DKIM signatures: CPU time and memory
 *
 * usage: bench_dkim                CPU time of whole verifications, beside one RSA-2048 verify
 *
 *        bench_dkim memory COUNT   COUNT messages of all kinds, with DNS; bytes in use meanwhile
 *
 * Prints only numbers; `memory` exits 1 if more memory is in use at the end than after a quarter
 * of the messages.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "dkim.h"
#include "dkim_canonical.h"
#include "dkim_message.h"
#include "heap.h"

#define SECONDS       0.5
#define DOMAIN        "peer.test"
#define HEADER_FIELDS 8

/* Number of keys in `memory`; other names do not exist. */
#define SELECTORS 50

static const char *const names[HEADER_FIELDS] = {
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Chat-Version", "Content-Type",
};
static const char *const values[HEADER_FIELDS] = {
    " <alice@peer.test>",
    " \"hidden-recipients\": ;",
    " [...]",
    " Sun, 22 Nov 2026 18:00:00 +0000",
    " <b5b5a6a2-4d9e-4c8c-9b4c-0d9b2c8ad7b1@localhost>",
    " 1.0",
    " 1.0",
    (" multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"
     "\tboundary=\"1c0d3a7c54f8a0b1\""),
};

struct signer {
	const char *name;
	const char *algorithm;
	EVP_PKEY *key;
	char record[1024];
	unsigned char digest[CM_DKIM_HASH_SIZE]; /* and its signature, for the lower bound */
	unsigned char bytes[512];
	size_t length;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_dkim: %s\n", what);
	exit(1);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void make_key(struct signer *signer, int type)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(type, NULL);
	unsigned char *der = NULL, raw[32];
	char text[800];
	size_t length = sizeof(raw);

	if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
	    (type == EVP_PKEY_RSA && EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) != 1) ||
	    EVP_PKEY_keygen(context, &signer->key) != 1)
		die("no key");
	EVP_PKEY_CTX_free(context);
	if (type == EVP_PKEY_RSA) {
		int size = i2d_PUBKEY(signer->key, &der);

		if (size <= 0)
			die("no public key");
		EVP_EncodeBlock((unsigned char *)text, der, size);
		OPENSSL_free(der);
	} else {
		EVP_PKEY_get_raw_public_key(signer->key, raw, &length);
		EVP_EncodeBlock((unsigned char *)text, raw, (int)length);
	}
	snprintf(signer->record, sizeof(signer->record), "v=DKIM1; k=%s; p=%s",
		 type == EVP_PKEY_RSA ? "rsa" : "ed25519", text);
}

static void sign_digest(struct signer *signer)
{
	bool is_rsa = EVP_PKEY_get_base_id(signer->key) == EVP_PKEY_RSA;
	EVP_PKEY_CTX *context = NULL;
	EVP_MD_CTX *digest = NULL;

	signer->length = sizeof(signer->bytes);
	if (is_rsa) {
		context = EVP_PKEY_CTX_new(signer->key, NULL);
		if (EVP_PKEY_sign_init(context) != 1 ||
		    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1 ||
		    EVP_PKEY_sign(context, signer->bytes, &signer->length, signer->digest,
				  sizeof(signer->digest)) != 1)
			die("no signature");
	} else {
		digest = EVP_MD_CTX_new();
		if (EVP_DigestSignInit(digest, NULL, NULL, NULL, signer->key) != 1 ||
		    EVP_DigestSign(digest, signer->bytes, &signer->length, signer->digest,
				   sizeof(signer->digest)) != 1)
			die("no signature");
	}
	EVP_PKEY_CTX_free(context);
	EVP_MD_CTX_free(digest);
}

/* The value of a DKIM-Signature field, relaxed/relaxed; malloc'd. */
static char *make_signature(struct signer *signer, const char *selector, const char *body,
			    size_t body_length)
{
	unsigned char body_hash[CM_DKIM_HASH_SIZE];
	char hash_text[64], signature_text[800], *value = malloc(2000);
	struct cm_dkim_body canonical;
	struct cm_dkim_hash hash;
	size_t length = 0;

	if (value == NULL || !cm_dkim_body_init(&canonical, true))
		die("out of memory");
	cm_dkim_body_add(&canonical, body, body_length);
	if (!cm_dkim_body_end(&canonical, body_hash))
		die("no body hash");
	cm_dkim_body_free(&canonical);
	EVP_EncodeBlock((unsigned char *)hash_text, body_hash, sizeof(body_hash));
	length = (size_t)sprintf(value, " v=1; a=%s; c=relaxed/relaxed; d=" DOMAIN "; s=%s; h=",
				 signer->algorithm, selector);
	cm_dkim_hash_init(&hash);
	for (size_t i = 0; i < HEADER_FIELDS; i++) {
		length += (size_t)sprintf(value + length, "%s%s", i > 0 ? ":" : "", names[i]);
		cm_dkim_hash_field(&hash, true, names[i], strlen(names[i]), values[i],
				   strlen(values[i]), true);
	}
	length += (size_t)sprintf(value + length, "; bh=%s; b=", hash_text);
	cm_dkim_hash_field(&hash, true, "DKIM-Signature", strlen("DKIM-Signature"), value, length,
			   false);
	if (!cm_dkim_hash_end(&hash, signer->digest))
		die("no header hash");
	cm_dkim_hash_free(&hash);
	sign_digest(signer);
	EVP_EncodeBlock((unsigned char *)signature_text, signer->bytes, (int)signer->length);
	strcpy(value + length, signature_text);
	return value;
}

/* Armored lines, because most mail here consists of them. */
static char *make_body(size_t length)
{
	char *body = malloc(length + 80), *end = body;

	if (body == NULL)
		die("out of memory");
	while ((size_t)(end - body) < length) {
		for (int i = 0; i < 64; i++)
			*end++ = (char)('A' + i * 7 % 26);
		*end++ = '\r';
		*end++ = '\n';
	}
	return body;
}

/* --- CPU time ----------------------------------------------------------------------------------
 */

static void verify_once(const struct signer *signer, const char *signature, const char *body,
			size_t length)
{
	struct cm_dkim_message *message = cm_dkim_message_new();
	const char *why = "no candidate";

	cm_dkim_message_field(message, "DKIM-Signature", signature);
	for (size_t i = 0; i < HEADER_FIELDS; i++)
		cm_dkim_message_field(message, names[i], values[i]);
	cm_dkim_message_end_fields(message, DOMAIN, time(NULL));
	for (size_t start = 0; start < length; start += 65535)
		cm_dkim_message_body(message, body + start,
				     length - start < 65535 ? length - start : 65535);
	cm_dkim_message_end_body(message);
	if (cm_dkim_message_candidates(message) != 1 || !cm_dkim_message_body_matches(message, 0) ||
	    cm_dkim_message_verify(message, 0, signer->record, strlen(signer->record), &why) !=
		CM_DKIM_ANSWER_VALID)
		die(why);
	cm_dkim_message_free(&message);
}

/* Lower bound: only the public key operation, with everything set up. */
static double measure_floor(const struct signer *signer)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(signer->key, NULL);
	double start = cpu_seconds(), now;
	unsigned int count = 0;

	EVP_PKEY_verify_init(context);
	EVP_PKEY_CTX_set_signature_md(context, EVP_sha256());
	do {
		if (EVP_PKEY_verify(context, signer->bytes, signer->length, signer->digest,
				    sizeof(signer->digest)) != 1)
			die("floor");
		count++;
		now = cpu_seconds();
	} while (now - start < SECONDS);
	EVP_PKEY_CTX_free(context);
	return (now - start) / count;
}

static double measure_hash(const char *body, size_t length)
{
	double start = cpu_seconds(), now;
	unsigned char digest[CM_DKIM_HASH_SIZE];
	unsigned int count = 0;

	do {
		EVP_Digest(body, length, digest, NULL, EVP_sha256(), NULL);
		count++;
		now = cpu_seconds();
	} while (now - start < SECONDS);
	return (now - start) / count;
}

static void measure(struct signer *signer, size_t length)
{
	char *body = make_body(length), *signature;
	unsigned int count = 0;
	double start, now, one;
	size_t peak;

	signature = make_signature(signer, "s", body, length);
	heap_start();
	start = cpu_seconds();
	do {
		verify_once(signer, signature, body, length);
		count++;
		now = cpu_seconds();
	} while (now - start < SECONDS);
	peak = heap_stop();
	one = (now - start) / count;
	printf("%-8s %9zu %11.1f %11.1f %9.0f %8.1f %8zu\n", signer->name, length, one * 1e6,
	       measure_hash(body, length) * 1e6, 1 / one, (double)length / one / 1e6, peak / 1024);
	free(signature);
	free(body);
}

static int measure_time(void)
{
	static const size_t lengths[] = {4000, 100000, 1000000, 30000000};
	struct signer signers[] = {
	    {.name = "rsa", .algorithm = "rsa-sha256"},
	    {.name = "ed25519", .algorithm = "ed25519-sha256"},
	};

	make_key(&signers[0], EVP_PKEY_RSA);
	make_key(&signers[1], EVP_PKEY_ED25519);
	printf("%-8s %9s %11s %11s %9s %8s %8s\n", "key", "bytes", "us/message", "us SHA-256",
	       "messages/s", "MB/s", "KiB heap");
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++)
			measure(&signers[i], lengths[j]);
	printf("\none RSA-2048 verification alone: %.1f us\n", measure_floor(&signers[0]) * 1e6);
	for (size_t i = 0; i < 2; i++)
		EVP_PKEY_free(signers[i].key);
	return 0;
}

/* --- Memory, with a DNS server in a thread -----------------------------------------------------
 */

struct dns {
	int fd;
	char record[1024];
};

/* Replies with the record to every query for a name whose selector begins with 's'. */
static size_t answer(const struct dns *dns, unsigned char *packet, size_t length)
{
	size_t question = 12, record_length = strlen(dns->record), at;
	bool known;

	if (length < 17)
		return 0;
	known = packet[13] == 's';
	while (question < length && packet[question] != 0)
		question += packet[question] + 1U;
	question += 5;
	if (question > length)
		return 0;
	packet[2] = 0x81;
	packet[3] = known ? 0x80 : 0x83;
	memset(packet + 6, 0, 6);
	if (!known)
		return question;
	packet[7] = 1;
	at = question;
	memcpy(packet + at, "\xc0\x0c\0\x10\0\1\0\0\x0e\x10", 10);
	at += 12;
	for (size_t start = 0; start < record_length; start += 255) {
		size_t part = record_length - start < 255 ? record_length - start : 255;

		packet[at++] = (unsigned char)part;
		memcpy(packet + at, dns->record + start, part);
		at += part;
	}
	packet[question + 10] = (unsigned char)((at - question - 12) >> 8);
	packet[question + 11] = (unsigned char)(at - question - 12);
	return at;
}

static void *serve_dns(void *context)
{
	struct dns *dns = context;
	unsigned char packet[2048];
	struct sockaddr_in peer;
	socklen_t size;
	ssize_t length;

	for (;;) {
		size = sizeof(peer);
		length = recvfrom(dns->fd, packet, 512, 0, (struct sockaddr *)&peer, &size);
		if (length <= 0)
			return NULL;
		length = (ssize_t)answer(dns, packet, (size_t)length);
		if (length > 0)
			sendto(dns->fd, packet, (size_t)length, 0, (struct sockaddr *)&peer, size);
	}
}

static void start_dns(struct dns *dns, char resolver[32])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	pthread_t thread;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dns->fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (dns->fd < 0 || bind(dns->fd, (struct sockaddr *)&address, size) != 0 ||
	    getsockname(dns->fd, (struct sockaddr *)&address, &size) != 0 ||
	    pthread_create(&thread, NULL, serve_dns, dns) != 0)
		die("no DNS server");
	pthread_detach(thread);
	snprintf(resolver, 32, "127.0.0.1@%u", ntohs(address.sin_port));
}

/* One message of one of eight kinds; the signatures are for selectors that exist. */
static void check_one(struct cm_dkim *dkim, unsigned long number, char *const *signatures,
		      const char *body, size_t length)
{
	struct cm_dkim_check *check = cm_dkim_begin(dkim);
	enum cm_dkim_status status, expected = CM_DKIM_INVALID;
	unsigned int kind = number % 8;
	char text[2200];
	struct cm_error why;

	snprintf(text, sizeof(text), "%s", signatures[number / 8 % SELECTORS]);
	switch (kind) {
	case 0:
	case 1:
		expected = CM_DKIM_VALID;
		break;
	case 2: /* a signature that verifies no message */
		text[strlen(text) - 10] ^= 1;
		break;
	case 3: /* a key that does not exist; 150 such names */
		memcpy(strstr(text, "; s=s") + 4, (char[]){(char)('a' + number / 8 % 3)}, 1);
		break;
	case 4:
		strcpy(text, " v=1; a=rsa-sha256; d=peer.test");
		break;
	case 5:
		text[100] = '\x01';
		break;
	case 6:
		expected = CM_DKIM_NONE;
		break;
	default: /* the connection is lost before the end */
		break;
	}
	for (size_t i = 0; i < HEADER_FIELDS; i++)
		cm_dkim_header(check, names[i], values[i]);
	for (int i = 0; kind != 6 && i < 3; i++)
		cm_dkim_header(check, "DKIM-Signature", text);
	cm_dkim_end_of_headers(check, DOMAIN);
	cm_dkim_body(check, body, length);
	if (kind != 7) {
		status = cm_dkim_end(check, &why);
		if (status != expected)
			die(why.text);
	}
	cm_dkim_check_free(&check);
}

static int measure_memory(unsigned long count)
{
	struct signer signer = {.algorithm = "rsa-sha256"};
	char *signatures[SELECTORS], *body = make_body(2000), resolver[32], selector[16];
	unsigned long quarter = count / 4 / 8 * 8;
	long settled = 0, in_use = 0;
	struct cm_dkim *dkim;
	struct cm_error err;
	struct dns dns;

	heap_start();
	make_key(&signer, EVP_PKEY_RSA);
	memcpy(dns.record, signer.record, sizeof(dns.record));
	for (size_t i = 0; i < SELECTORS; i++) {
		sprintf(selector, "s%zu", i);
		signatures[i] = make_signature(&signer, selector, body, 2000);
	}
	start_dns(&dns, resolver);
	dkim = cm_dkim_new(resolver, &err);
	if (dkim == NULL)
		die(err.text);
	for (unsigned long i = 0; i < count; i++) {
		check_one(dkim, i, signatures, body, 2000);
		if (quarter == 0 || (i + 1) % quarter != 0)
			continue;
		/* Queries of lost connections time out by themselves. */
		usleep(300000);
		in_use = heap_in_use();
		printf("%8lu messages: %ld bytes in use\n", i + 1, in_use);
		if (settled == 0)
			settled = in_use;
	}
	cm_dkim_free(&dkim);
	for (size_t i = 0; i < SELECTORS; i++)
		free(signatures[i]);
	EVP_PKEY_free(signer.key);
	free(body);
	/* A leak would be at least a byte for each further message; the size of libunbound's
	   cache varies. */
	return in_use > settled + 16384 && in_use - settled > (long)count / 2 ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return measure_time();
	if (argc == 3 && strcmp(argv[1], "memory") == 0 && atol(argv[2]) >= 100)
		return measure_memory((unsigned long)atol(argv[2]));
	fputs("usage: bench_dkim [memory COUNT]\n", stderr);
	return 2;
}
