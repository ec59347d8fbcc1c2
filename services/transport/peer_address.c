#include "peer_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>
#include <strings.h>

#include "public_ip.h"

static bool is_address(const struct sockaddr *one, int family, const void *address)
{
	if (one == NULL || one->sa_family != family)
		return false;
	if (family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)(const void *)one)->sin_addr, address,
			      sizeof(struct in_addr)) == 0;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)one)->sin6_addr, address,
		      sizeof(struct in6_addr)) == 0;
}

static bool is_own(int family, const void *address)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next)
		found = is_address(one->ifa_addr, family, address);
	freeifaddrs(all);
	return found;
}

bool peer_address_allowed(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	return inet_pton(family, text, address) == 1 && cm_public_ip(family, address) &&
	       !is_own(family, address);
}

void peer_addresses_filter(struct mx_addresses *addresses)
{
	size_t kept = 0;

	for (size_t i = 0; i < addresses->count; i++) {
		if (peer_address_allowed(addresses->text[i]))
			memmove(addresses->text[kept++], addresses->text[i], INET6_ADDRSTRLEN);
	}
	addresses->count = kept;
	if (addresses->status == MX_FOUND && kept == 0)
		addresses->status = MX_NONE;
}

bool peer_address_read_literal(const char *domain, char address[INET6_ADDRSTRLEN])
{
	unsigned char binary[sizeof(struct in6_addr)];
	size_t length = strlen(domain), skip = strncasecmp(domain, "[IPv6:", 6) == 0 ? 6 : 1;

	if (domain[0] != '[' || length <= skip + 1 || domain[length - 1] != ']' ||
	    length - skip - 1 >= INET6_ADDRSTRLEN)
		return false;
	memcpy(address, domain + skip, length - skip - 1);
	address[length - skip - 1] = '\0';
	return inet_pton(strchr(address, ':') != NULL ? AF_INET6 : AF_INET, address, binary) == 1;
}
