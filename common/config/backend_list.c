#include "backend_list.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_value.h"
#include "keyed_hash.h"

#define BLANKS " \t,"

struct rank {
	uint64_t weight;
	bool draining;
	char host[CM_BACKEND_HOST_SIZE];
};

/* The next word of a list; its length, 0 at the end. */
static size_t next_word(const char **list)
{
	*list += strspn(*list, BLANKS);
	return strcspn(*list, BLANKS);
}

bool cm_backend_list_valid(const char *text)
{
	size_t count = 0, length;

	while ((length = next_word(&text)) > 0) {
		size_t skip = text[0] == '-';

		if (!cm_value_is_ip(text + skip, length - skip) || ++count > CM_BACKENDS_MAX)
			return false;
		text += length;
	}
	return true;
}

/* The same on every front, whatever its architecture. */
static uint64_t weigh(const char *host, const char *address)
{
	static const uint64_t key[2] = {0x63686174, 0x6d61696c};
	char text[CM_BACKEND_HOST_SIZE + CM_ADDRESS_MAX + 2];
	int length = snprintf(text, sizeof(text), "%s %s", host, address);

	return cm_keyed_hash(key, text,
			     length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

static int compare(const void *a, const void *b)
{
	const struct rank *one = a, *other = b;

	if (one->weight != other->weight)
		return one->weight > other->weight ? -1 : 1;
	return strcmp(one->host, other->host);
}

static size_t read_list(const char *list, const char *address, struct rank *ranks, size_t max)
{
	size_t count = 0, length;

	while (count < max && (length = next_word(&list)) > 0) {
		struct rank *rank = &ranks[count];
		size_t skip = list[0] == '-';

		if (length - skip < sizeof(rank->host)) {
			memcpy(rank->host, list + skip, length - skip);
			rank->host[length - skip] = '\0';
			rank->draining = skip > 0;
			rank->weight = weigh(rank->host, address);
			count++;
		}
		list += length;
	}
	qsort(ranks, count, sizeof(*ranks), compare);
	return count;
}

size_t cm_backend_list_rank(const char *backends, const char *address,
			    char hosts_r[][CM_BACKEND_HOST_SIZE], size_t max, int *best_r)
{
	struct rank *ranks = calloc(max, sizeof(*ranks));
	size_t count = ranks != NULL ? read_list(backends, address, ranks, max) : 0;

	*best_r = -1;
	for (size_t i = 0; i < count; i++) {
		memcpy(hosts_r[i], ranks[i].host, sizeof(ranks[i].host));
		if (*best_r < 0 && !ranks[i].draining)
			*best_r = (int)i;
	}
	free(ranks);
	return count;
}
