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
	int64_t smtp_seconds;  /* the length of the last period of SMTP */
	int64_t retry_seconds; /* that of the next one; 0: no message was accepted over HTTPS */
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

static int64_t lasts(const struct entry *entry)
{
	switch (entry->route) {
	case ROUTE_PROBING:
		return PROBE_SECONDS;
	case ROUTE_SMTP:
		return entry->smtp_seconds;
	default:
		return INT64_MAX / 2;
	}
}

static enum route route_of(const struct entry *entry, int64_t now)
{
	return now - entry->learned < lasts(entry) ? entry->route : ROUTE_UNKNOWN;
}

enum route route_find(const struct route_table *table, const char *domain, int64_t now)
{
	const struct entry *bucket = table->entries[bucket_of(domain)];

	for (int i = 0; i < WAYS; i++) {
		if (strcmp(bucket[i].domain, domain) == 0)
			return route_of(&bucket[i], now);
	}
	return ROUTE_UNKNOWN;
}

static bool speaks_https(const struct entry *entry)
{
	return entry->route == ROUTE_HTTPS || entry->retry_seconds > 0;
}

/* True if the first entry is the better one to replace. Any client of Postfix can name domains, but
   few of them accept mail over HTTPS. */
static bool is_lesser(const struct entry *one, const struct entry *other)
{
	bool https = speaks_https(one);

	if (https != speaks_https(other))
		return !https;
	return one->learned < other->learned;
}

/* The domain's entry, which may be another's place. */
static struct entry *place_of(struct route_table *table, const char *domain)
{
	struct entry *bucket = table->entries[bucket_of(domain)], *place = bucket;

	for (int i = 0; i < WAYS; i++) {
		if (strcmp(bucket[i].domain, domain) == 0)
			return &bucket[i];
		if (is_lesser(&bucket[i], place))
			place = &bucket[i];
	}
	*place = (struct entry){.route = ROUTE_UNKNOWN};
	strcpy(place->domain, domain);
	return place;
}

/* Simultaneous deliveries that fail together count as one failure. */
static void leave_to_smtp(struct entry *entry, int64_t now)
{
	if (entry->retry_seconds > 0 && route_of(entry, now) == ROUTE_SMTP)
		return;
	entry->smtp_seconds = entry->retry_seconds;
	entry->retry_seconds *= 2;
	if (entry->smtp_seconds == 0 || entry->smtp_seconds >= ROUTE_SMTP_SECONDS) {
		entry->smtp_seconds = ROUTE_SMTP_SECONDS;
		entry->retry_seconds = 0;
	}
	entry->route = ROUTE_SMTP;
	entry->learned = now;
}

void route_learn(struct route_table *table, const char *domain, enum route route, int64_t now)
{
	struct entry *entry;

	if (strlen(domain) >= ROUTE_DOMAIN_SIZE)
		return;
	entry = place_of(table, domain);
	if (route == ROUTE_SMTP) {
		leave_to_smtp(entry, now);
		return;
	}
	entry->route = route;
	entry->learned = now;
}

void route_accepted(struct route_table *table, const char *domain, int64_t now)
{
	if (strlen(domain) >= ROUTE_DOMAIN_SIZE)
		return;
	route_learn(table, domain, ROUTE_HTTPS, now);
	place_of(table, domain)->retry_seconds = ROUTE_RETRY_SECONDS;
}
