#include "route.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WAYS    8
#define BUCKETS 1024
/* Seconds before a probe without a reply is repeated. */
#define PROBE_SECONDS 120

struct entry {
	char domain[ROUTE_DOMAIN_SIZE]; /* "": free */
	enum route route;
	int64_t learned;
};

struct route_table {
	struct entry entries[BUCKETS][WAYS];
};

bool route_read_domain(const char *address, char domain[ROUTE_DOMAIN_SIZE])
{
	const char *at = strrchr(address, '@');
	size_t length = 0;

	if (at == NULL || strlen(at + 1) >= ROUTE_DOMAIN_SIZE ||
	    !(isalnum((unsigned char)at[1]) || at[1] == '_' || at[1] == '['))
		return false;
	for (at++; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("-_.[]:", *at) == NULL)
			return false;
		domain[length++] = (char)tolower((unsigned char)*at);
	}
	domain[length] = '\0';
	return true;
}

struct route_table *route_table_new(void)
{
	return calloc(1, sizeof(struct route_table));
}

void route_table_free(struct route_table **table)
{
	free(*table);
	*table = NULL;
}

/* FNV-1a. An attacker who fills a bucket evicts only eight domains. */
static unsigned int bucket_of(const char *domain)
{
	uint32_t hash = 2166136261U;

	for (; *domain != '\0'; domain++)
		hash = (hash ^ (unsigned char)*domain) * 16777619U;
	return hash % BUCKETS;
}

static int64_t lasts(enum route route)
{
	switch (route) {
	case ROUTE_PROBING:
		return PROBE_SECONDS;
	case ROUTE_SMTP:
		return ROUTE_SMTP_SECONDS;
	default:
		return INT64_MAX / 2;
	}
}

enum route route_find(const struct route_table *table, const char *domain, int64_t now)
{
	const struct entry *bucket = table->entries[bucket_of(domain)];

	for (int i = 0; i < WAYS; i++) {
		if (strcmp(bucket[i].domain, domain) == 0)
			return now - bucket[i].learned < lasts(bucket[i].route) ? bucket[i].route
										: ROUTE_UNKNOWN;
	}
	return ROUTE_UNKNOWN;
}

/* True if the first entry is the better one to replace. Any client of Postfix can name domains, but
   few of them accept mail over HTTPS. */
static bool is_lesser(const struct entry *one, const struct entry *other)
{
	bool https = one->route == ROUTE_HTTPS;

	if (https != (other->route == ROUTE_HTTPS))
		return !https;
	return one->learned < other->learned;
}

void route_learn(struct route_table *table, const char *domain, enum route route, int64_t now)
{
	struct entry *bucket = table->entries[bucket_of(domain)], *place = bucket;

	if (strlen(domain) >= ROUTE_DOMAIN_SIZE)
		return;
	for (int i = 0; i < WAYS; i++) {
		if (strcmp(bucket[i].domain, domain) == 0) {
			place = &bucket[i];
			break;
		}
		if (is_lesser(&bucket[i], place))
			place = &bucket[i];
	}
	strcpy(place->domain, domain);
	place->route = route;
	place->learned = now;
}
