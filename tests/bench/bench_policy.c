/*
 * bench_policy - measure the cost of checking a message, beside the minimum cost of reading it
 *
 * For messages of several sizes: each stage alone, then the whole policy, in CPU time. For
 * comparison in the same run: finding the line ends with memchr(), and decoding the base64 once
 * with OpenSSL. Prints only numbers.
 */
#include "armor.h"
#include "delivery.h"
#include "heap.h"
#include "lines.h"
#include "mailboxes.h"
#include "messages.h"
#include "policy.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Each measurement repeats its work for this time. */
#define SECONDS 0.4

struct work {
	char *wire; /* the message with CRLF */
	const char *recipient;
	size_t length;
	char *armor; /* the armor in it */
	size_t armor_length;
	unsigned char *payload, *scratch;
	size_t payload_length;
	struct cm_policy *policy;
	enum cm_direction direction;
};

typedef void measured_fn(struct work *work);

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_policy: %s\n", what);
	exit(1);
}

static void find_line_ends(struct work *work)
{
	const char *at = work->wire, *end = work->wire + work->length;
	size_t lines = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		lines++;
	}
	if (lines < 20)
		die("a message without lines");
}

static void decode_with_openssl(struct work *work)
{
	EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
	const char *data = strstr(work->armor, "\r\n\r\n") + 4; /* up to the checksum */
	size_t left = (size_t)(strstr(work->armor + work->armor_length - 40, "\n=") - data);
	int out;

	EVP_DecodeInit(context);
	/* In pieces, as a filter decodes it. */
	while (left > 0) {
		size_t piece = left < 4096 ? left : 4096;

		if (EVP_DecodeUpdate(context, work->scratch, &out, (const unsigned char *)data,
				     (int)piece) < 0)
			die("OpenSSL cannot decode the armor");
		data += piece;
		left -= piece;
	}
	EVP_ENCODE_CTX_free(context);
}

static void walk_packets(struct work *work)
{
	struct cm_packets packets;

	cm_packets_init(&packets);
	for (size_t at = 0; at < work->payload_length; at += 48) {
		size_t left = work->payload_length - at;

		cm_packets_write(&packets, work->payload + at, left < 48 ? left : 48);
	}
	if (!cm_packets_end(&packets))
		die("the packets are refused");
}

static void read_armor(struct work *work)
{
	struct cm_finding finding = {.why = NULL};
	struct cm_armor armor;
	struct cm_lines lines;

	cm_armor_init(&armor, true, &finding);
	cm_lines_init(&lines, cm_armor_line, &armor);
	if (!cm_lines_write(&lines, work->armor, work->armor_length) || !cm_armor_end(&armor))
		die("the armor is refused");
}

static void judge(struct work *work)
{
	struct test_delivery delivery = {
	    .message = cm_message_begin(work->policy, work->direction, "<alice@relay.test>"),
	    .piece = CM_MESSAGE_FILE_CHUNK,
	};
	struct cm_verdict verdict;

	cm_message_recipient(delivery.message, work->recipient);
	test_deliver(&delivery, work->wire, work->length);
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	if (verdict.reason != CM_REASON_ENCRYPTED)
		die("the message is refused");
	cm_message_free(&delivery.message);
}

static void measure(struct work *work, const char *name, measured_fn *run)
{
	double start, spent;
	size_t rounds = 0, heap;

	run(work);
	heap_start();
	run(work);
	heap = heap_stop();
	start = cpu_seconds();
	do {
		run(work);
		rounds++;
		spent = cpu_seconds() - start;
	} while (spent < SECONDS);
	printf("  %-34s %10.1f us %9.0f /s %8.0f MB/s %7.1f KB heap\n", name,
	       spent / (double)rounds * 1e6, (double)rounds / spent,
	       (double)work->length * (double)rounds / spent / 1e6, (double)heap / 1024);
}

static void prepare(struct work *work, size_t size)
{
	unsigned char *payload = test_payload(size / 4 * 3, &work->payload_length);
	char *armor = test_armored(payload, work->payload_length, &test_armor_usual);
	char *text = test_encrypted_message(armor);

	work->payload = payload;
	work->wire = test_wire(text, &work->length);
	work->armor = test_wire(armor, &work->armor_length);
	work->scratch = malloc(8192);
	free(text);
	free(armor);
	if (work->scratch == NULL)
		die("out of memory");
}

static void measure_size(struct cm_policy *policy, const char *name, size_t size)
{
	struct work work = {.policy = policy};

	prepare(&work, size);
	printf("%s (%zu bytes)\n", name, work.length);
	measure(&work, "floor: line ends with memchr", find_line_ends);
	measure(&work, "floor: base64 with OpenSSL", decode_with_openssl);
	measure(&work, "packets alone", walk_packets);
	measure(&work, "armor: base64, packets", read_armor);
	work.direction = CM_DIRECTION_OUT;
	work.recipient = "<bob@peer.test>";
	measure(&work, "the whole policy, outgoing", judge);
	work.recipient = TEST_MAILBOX; /* so that the policy looks for the mailbox */
	measure(&work, "outgoing to another local user", judge);
	work.direction = CM_DIRECTION_IN;
	measure(&work, "the whole policy, incoming", judge);
	free(work.wire);
	free(work.armor);
	free(work.payload);
	free(work.scratch);
}

int main(void)
{
	struct cm_config config = test_relay_config();
	struct cm_error err = {""};
	struct cm_policy *policy;

	config.max_user_send_per_minute = config.max_user_send_burst_size = 100000000;
	policy = cm_policy_new(&config, &err);
	if (policy == NULL)
		die(err.text);
	puts("CPU time of one core; MB are 10^6 bytes of the whole message.");
	measure_size(policy, "4 KB", 3000);
	measure_size(policy, "100 KB", 100000);
	measure_size(policy, "1 MB", 1000000);
	measure_size(policy, "30 MB", 29000000);
	cm_policy_free(&policy);
	return 0;
}
