/*
 * fuzz_links - a Host field, a newline, and a token, as a query and as a body
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "links.h"

#define START "dcaccount:https://relay.test"

/* ":PORT" or nothing, "/new", and "?TOKEN" or nothing, whatever the request contains. */
static void check(const char *link, const char *token)
{
	bool with_token = cm_invitation_token_valid(token);
	size_t digits = 0;

	require(strncmp(link, START, strlen(START)) == 0);
	link += strlen(START);
	if (*link == ':') {
		digits = strspn(link + 1, "0123456789");
		require(digits >= 1 && digits <= 5);
		link += 1 + digits;
	}
	require(strncmp(link, "/new", strlen("/new")) == 0);
	link += strlen("/new");
	require(with_token ? link[0] == '?' && strcmp(link + 1, token) == 0 : link[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char mail_host[] = "relay.test";
	struct cm_config config = {.mail_host = mail_host};
	const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
	char *host, *token, *link, body_token[CM_INVITATION_TOKEN_LENGTH + 1];
	size_t length;

	if (newline == NULL)
		return 0;
	length = size - (size_t)(newline + 1 - data);
	host = strndup((const char *)data, (size_t)(newline - data));
	token = strndup((const char *)newline + 1, length);
	require(host != NULL && token != NULL);
	link = cm_link_account(&config, host, token);
	require(link != NULL);
	check(link, token);
	if (cm_link_token((const char *)newline + 1, length, body_token))
		require(strcmp(body_token, token) == 0 && strlen(token) == length);
	else
		require(strlen(token) != length || !cm_invitation_token_valid(token));
	free(link);
	free(token);
	free(host);
	return 0;
}
