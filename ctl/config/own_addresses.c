#include "own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No relay has more. */
#define ADDRESSES_MAX 256

static bool is_public_ipv4(uint32_t address)
{
	static const struct {
		uint32_t network, mask;
	} others[] = {
	    {0x00000000, 0xff000000}, {0x0a000000, 0xff000000}, {0x64400000, 0xffc00000},
	    {0x7f000000, 0xff000000}, {0xa9fe0000, 0xffff0000}, {0xac100000, 0xfff00000},
	    {0xc0a80000, 0xffff0000}, {0xe0000000, 0xe0000000},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if ((address & others[i].mask) == others[i].network)
			return false;
	return true;
}

/* Global unicast (RFC 4291 2.4). */
static bool is_public_ipv6(const struct in6_addr *address)
{
	return (address->s6_addr[0] & 0xe0) == 0x20;
}

static bool print_public(const struct sockaddr *address, char text_r[INET6_ADDRSTRLEN])
{
	if (address == NULL)
		return false;
	if (address->sa_family == AF_INET) {
		const struct in_addr *ipv4 = &((const struct sockaddr_in *)address)->sin_addr;

		return is_public_ipv4(ntohl(ipv4->s_addr)) &&
		       inet_ntop(AF_INET, ipv4, text_r, INET6_ADDRSTRLEN) != NULL;
	}
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		return is_public_ipv6(ipv6) &&
		       inet_ntop(AF_INET6, ipv6, text_r, INET6_ADDRSTRLEN) != NULL;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

char *cm_own_addresses_lines(const char *before)
{
	char(*found)[INET6_ADDRSTRLEN] = calloc(ADDRESSES_MAX, sizeof(*found)), *text = NULL;
	struct ifaddrs *list = NULL;
	size_t count = 0, length;
	FILE *stream = open_memstream(&text, &length);

	if (found == NULL || stream == NULL)
		goto out;
	if (getifaddrs(&list) == 0)
		for (const struct ifaddrs *item = list; item != NULL && count < ADDRESSES_MAX;
		     item = item->ifa_next)
			count += print_public(item->ifa_addr, found[count]);
	freeifaddrs(list);
	qsort(found, count, sizeof(*found), compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(found[i], found[i - 1]) != 0)
			fprintf(stream, "%s%s\n", before, found[i]);
out:
	free(found);
	if (stream != NULL && fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
