/*
 * fuzz_forwarded - the client's address in X-Forwarded-For; the first byte chooses the peer
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "forwarded.h"

static bool same(const struct cm_source *a, const struct cm_source *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr local = {.sa_family = AF_UNIX};
	struct sockaddr_in stranger = {.sin_family = AF_INET,
				       .sin_addr = {.s_addr = htonl(0xc6336401)}};
	struct cm_source source, other;
	char *field, *longer;

	if (size == 0)
		return 0;
	field = strndup((const char *)data + 1, size - 1);
	require(field != NULL);
	source = cm_httpd_source(&local, field);
	require(source.length == 4 || source.length == 8);
	/* Text that a client writes before the proxy's address changes nothing. */
	longer = malloc(strlen(field) + sizeof("192.0.2.1, "));
	require(longer != NULL);
	strcpy(longer, "192.0.2.1,");
	strcat(longer, field);
	other = cm_httpd_source(&local, longer);
	require(same(&source, &other));
	/* The field is ignored if it comes from a stranger. */
	source = cm_httpd_source((const struct sockaddr *)&stranger, field);
	other = cm_source_ipv4(&stranger.sin_addr);
	require(same(&source, &other));
	free(longer);
	free(field);
	return 0;
}
