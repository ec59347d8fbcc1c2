#include "public_ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct network {
	uint32_t first;
	unsigned int bits;
};

static const struct network special[] = {
    {0x00000000, 8},  /* 0.0.0.0/8: this host */
    {0x0a000000, 8},  /* 10.0.0.0/8: private */
    {0x64400000, 10}, /* 100.64.0.0/10: shared by a provider's customers */
    {0x7f000000, 8},  /* 127.0.0.0/8: loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16: link-local */
    {0xac100000, 12}, /* 172.16.0.0/12: private */
    {0xc0000000, 24}, /* 192.0.0.0/24: protocols */
    {0xc0a80000, 16}, /* 192.168.0.0/16: private */
    {0xc6120000, 15}, /* 198.18.0.0/15: benchmarks */
    {0xe0000000, 3},  /* 224.0.0.0 and up: multicast, reserved, broadcast */
};

static bool public_ipv4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if ((address ^ special[i].first) >> (32 - special[i].bits) == 0)
			return false;
	}
	return true;
}

static uint32_t read_ipv4(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* Global unicast (RFC 4291 2.4); an embedded IPv4 address decides. */
static bool public_ipv6(const unsigned char *bytes)
{
	static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b}; /* RFC 6052 2.1 */
	static const unsigned char teredo[4] = {0x20, 0x01};             /* RFC 4380 4 */

	if (memcmp(bytes, nat64, sizeof(nat64)) == 0)
		return public_ipv4(read_ipv4(bytes + sizeof(nat64)));
	if (bytes[0] == 0x20 && bytes[1] == 0x02) /* 6to4, RFC 3056 2 */
		return public_ipv4(read_ipv4(bytes + 2));
	return bytes[0] >> 5 == 1 && memcmp(bytes, teredo, sizeof(teredo)) != 0;
}

bool cm_public_ip(int family, const void *address)
{
	if (family == AF_INET)
		return public_ipv4(read_ipv4(address));
	return family == AF_INET6 && public_ipv6(address);
}

bool cm_public_ip_text(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	return inet_pton(family, text, address) == 1 && cm_public_ip(family, address);
}
