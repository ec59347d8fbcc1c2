#include "forwarded.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static struct cm_source loopback_source(void)
{
	struct in_addr address = {.s_addr = htonl(INADDR_LOOPBACK)};

	return cm_source_ipv4(&address);
}

/* Exactly an address, with the blanks around it removed. */
static bool parse_element(const char *text, size_t length, struct cm_source *source_r)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr ipv4;
	struct in6_addr ipv6;

	while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
		text++;
		length--;
	}
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET, copy, &ipv4) == 1)
		*source_r = cm_source_ipv4(&ipv4);
	else if (inet_pton(AF_INET6, copy, &ipv6) == 1)
		*source_r = cm_source_ipv6(&ipv6);
	else
		return false;
	return true;
}

/* False if the peer is no proxy of this machine: then *source_r is the peer itself. */
static bool is_local_proxy(const struct sockaddr *peer, struct cm_source *source_r)
{
	if (peer->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

		*source_r = cm_source_ipv4(&in->sin_addr);
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;

		*source_r = cm_source_ipv6(&in6->sin6_addr);
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
			in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	}
	return peer->sa_family == AF_UNIX;
}

struct cm_source cm_httpd_source(const struct sockaddr *peer, const char *field)
{
	struct cm_source source = loopback_source();
	const char *comma;

	if (peer == NULL || !is_local_proxy(peer, &source) || field == NULL)
		return source;
	comma = strrchr(field, ',');
	if (comma != NULL)
		field = comma + 1;
	if (!parse_element(field, strlen(field), &source))
		source = loopback_source();
	return source;
}
