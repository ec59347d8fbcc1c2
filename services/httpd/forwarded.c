#include "forwarded.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#define LOOPBACK "127.0.0.1"

/* Accepts only an address, without the blanks around it. */
static bool parse_element(const char *text, size_t length, char address[INET6_ADDRSTRLEN])
{
	unsigned char bytes[sizeof(struct in6_addr)];

	while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
		text++;
		length--;
	}
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	if (length == 0 || length >= INET6_ADDRSTRLEN)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

/* False if the peer is not a proxy of this machine: then address is the peer's own. */
static bool is_local_proxy(const struct sockaddr *peer, char address[INET6_ADDRSTRLEN])
{
	if (peer->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

		inet_ntop(AF_INET, &in->sin_addr, address, INET6_ADDRSTRLEN);
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;

		inet_ntop(AF_INET6, &in6->sin6_addr, address, INET6_ADDRSTRLEN);
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
			in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	}
	return peer->sa_family == AF_UNIX;
}

void cm_httpd_client_address(const struct sockaddr *peer, const char *field,
			     char address[INET6_ADDRSTRLEN])
{
	const char *comma;

	strcpy(address, LOOPBACK);
	if (peer == NULL || !is_local_proxy(peer, address) || field == NULL)
		return;
	comma = strrchr(field, ',');
	if (comma != NULL)
		field = comma + 1;
	if (!parse_element(field, strlen(field), address))
		strcpy(address, LOOPBACK);
}

struct cm_source cm_httpd_source(const struct sockaddr *peer, const char *field)
{
	char address[INET6_ADDRSTRLEN];
	struct in_addr ipv4;
	struct in6_addr ipv6;

	cm_httpd_client_address(peer, field, address);
	if (inet_pton(AF_INET, address, &ipv4) == 1)
		return cm_source_ipv4(&ipv4);
	inet_pton(AF_INET6, address, &ipv6);
	return cm_source_ipv6(&ipv6);
}
