#include "redact.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Characters that end a mail address in a log line, although RFC 5321 allows some of them in a
   quoted local part: separators of prose, of Dovecot's fields and of paths. */
#define SEPARATORS " \t\r\n\"'(),/:;<>@[]{}"

/* The characters of an IP address, and the length of the shortest one that is replaced ("::1"). */
#define IP_CHARACTERS "0123456789abcdefABCDEF.:"
#define IP_MIN        3

static bool is_ip(const char *text, size_t length)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];

	if (length < IP_MIN || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1;
}

/* The length of the IP address at the start of text; 0 if text starts otherwise. A full stop, a
   colon or a port may follow. */
static size_t ip_length(const char *text)
{
	size_t length = strspn(text, IP_CHARACTERS);

	while (length >= IP_MIN && !is_ip(text, length)) {
		do
			length--;
		while (length > 0 && text[length] != '.' && text[length] != ':');
	}
	return length >= IP_MIN ? length : 0;
}

/* The length of the domain or the address literal after an '@'. */
static size_t domain_length(const char *text)
{
	size_t literal = text[0] == '[' ? strcspn(text, "] \t\r\n") : 0;

	return text[literal] == ']' ? literal + 1 : strcspn(text, SEPARATORS);
}

/* Returns how much of the text to keep: a separator, or a word up to the beginning of a value. */
static size_t plain_length(const char *text)
{
	size_t word = strcspn(text, SEPARATORS);
	const char *equals = memchr(text, '=', word);

	if (equals != NULL)
		return (size_t)(equals - text) + 1;
	return word > 0 ? word : 1;
}

char *cm_redact(const char *text)
{
	/* The shortest replaced text is "@", so no text grows more than this. */
	char *result = malloc(strlen(text) * strlen(CM_REDACTED) + 1), *end = result;

	if (result == NULL)
		return NULL;
	while (*text != '\0') {
		size_t word = strcspn(text, SEPARATORS), length;

		if (text[word] == '@') {
			for (text += word; *text == '@';)
				text += 1 + domain_length(text + 1);
			end = stpcpy(end, CM_REDACTED);
		} else if ((length = ip_length(text)) > 0) {
			text += length;
			end = stpcpy(end, CM_REDACTED);
		} else {
			length = plain_length(text);
			end = mempcpy(end, text, length);
			text += length;
		}
	}
	*end = '\0';
	return result;
}
