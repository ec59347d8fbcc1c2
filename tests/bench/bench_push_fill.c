/*
 * bench_push_fill - queue notifications as the mail plugin does
 *
 * usage: bench_push_fill INI COUNT
 *
 * Queues COUNT notifications for as many tokens of the usual length; prints the time for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "push_queue.h"

/* "openpgp:" and an encrypted device token in base64. */
#define TOKEN_LENGTH 560

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool fill(const struct cm_config *config, long count, struct cm_error *err)
{
	struct cm_address address;
	char token[TOKEN_LENGTH + 1], text[CM_ADDRESS_MAX + 1];
	int length = snprintf(text, sizeof(text), "someone@%s", config->mail_domain);

	if (!cm_address_parse(text, (size_t)length, &address)) {
		cm_error_set(err, "mail_domain: %s is too long", config->mail_domain);
		return false;
	}
	for (long i = 0; i < count; i++) {
		memset(token, 'A', sizeof(token) - 1);
		token[sizeof(token) - 1] = '\0';
		length = snprintf(token, sizeof(token), "openpgp:%ld", i);
		token[length] = '/';
		if (!cm_push_queue_add(config, &address, token, time(NULL), err))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct cm_config *config;
	struct cm_error err;
	double start;
	bool good;
	long count;

	if (argc != 3) {
		fputs("usage: bench_push_fill INI COUNT\n", stderr);
		return 2;
	}
	count = strtol(argv[2], NULL, 10);
	config = cm_config_load(argv[1], NULL, NULL, &err);
	start = seconds();
	good = config != NULL && fill(config, count, &err);
	if (good)
		printf("%.1f\n", (seconds() - start) * 1e6 / (double)count);
	else
		fprintf(stderr, "bench_push_fill: %s\n", err.text);
	cm_config_free(&config);
	return good ? 0 : 1;
}
