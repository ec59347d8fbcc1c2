#include "address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "utf8.h"

#define DOMAIN_MAX 253
#define LABEL_MAX  63

static bool is_alnum(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9');
}

static char to_lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* RFC 5321 4.1.2 Dot-string, without '/', with UTF-8 (RFC 6531 3.3). Dots may stand anywhere:
   upstream and some large providers have assigned such names. */
static bool local_part_valid(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (length == 0 || length > CM_ADDRESS_LOCAL_MAX)
		return false;
	for (size_t i = 0; i < length;) {
		size_t step = 1;

		if (bytes[i] >= 0x80)
			step = cm_utf8_plain_length(bytes + i, length - i);
		else if (!is_alnum(bytes[i]) &&
			 (bytes[i] == '\0' || strchr(".!#$%&'*+-=?^_`{|}~", bytes[i]) == NULL))
			step = 0;
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

static bool literal_valid(const char *domain, size_t length)
{
	char inner[INET6_ADDRSTRLEN + 1];
	unsigned char binary[sizeof(struct in6_addr)];
	size_t skip = 1;
	int family = AF_INET;

	if (length < 3 || domain[0] != '[' || domain[length - 1] != ']')
		return false;
	if (length > 6 && strncasecmp(domain, "[IPv6:", 6) == 0) {
		skip = 6;
		family = AF_INET6;
	}
	if (length - skip - 1 >= sizeof(inner))
		return false;
	memcpy(inner, domain + skip, length - skip - 1);
	inner[length - skip - 1] = '\0';
	return strlen(inner) == length - skip - 1 && inet_pton(family, inner, binary) == 1;
}

bool cm_domain_valid(const char *domain, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)domain;
	size_t label = 0;

	if (length == 0 || length > DOMAIN_MAX)
		return false;
	if (domain[0] == '[')
		return literal_valid(domain, length);
	for (size_t i = 0; i < length;) {
		size_t step = 1;

		if (bytes[i] == '.') {
			if (label == 0 || bytes[i - 1] == '-')
				return false;
			label = 0;
			i++;
			continue;
		}
		if (bytes[i] >= 0x80)
			step = cm_utf8_plain_length(bytes + i, length - i);
		else if (bytes[i] == '-')
			step = label > 0 ? 1 : 0;
		else if (!is_alnum(bytes[i]) && bytes[i] != '_')
			step = 0;
		if (step == 0)
			return false;
		label += step;
		if (label > LABEL_MAX)
			return false;
		i += step;
	}
	return label > 0 && bytes[length - 1] != '-';
}

bool cm_address_parse(const char *text, size_t length, struct cm_address *address_r)
{
	const char *at;
	size_t local_length;

	if (length > CM_ADDRESS_MAX)
		return false;
	at = memrchr(text, '@', length);
	if (at == NULL)
		return false;
	local_length = (size_t)(at - text);
	if (!local_part_valid(text, local_length) ||
	    !cm_domain_valid(at + 1, length - local_length - 1))
		return false;
	for (size_t i = 0; i < length; i++)
		address_r->text[i] = to_lower(text[i]);
	address_r->text[length] = '\0';
	address_r->local_length = local_length;
	return true;
}

bool cm_address_parse_quoted(const char *text, size_t length, struct cm_address *address_r)
{
	char plain[CM_ADDRESS_MAX];
	size_t used = 0, at = 1;

	if (length == 0 || text[0] != '"')
		return cm_address_parse(text, length, address_r);
	for (; at < length && text[at] != '"'; at++) {
		if (text[at] == '\\' && ++at == length)
			return false;
		if (used == sizeof(plain))
			return false;
		plain[used++] = text[at];
	}
	if (at == length || memchr(plain, '@', used) != NULL ||
	    length - at - 1 > sizeof(plain) - used)
		return false;
	memcpy(plain + used, text + at + 1, length - at - 1);
	return cm_address_parse(plain, used + length - at - 1, address_r) &&
	       address_r->local_length == used;
}

bool cm_address_parse_path(const char *path, struct cm_address *address_r)
{
	size_t length = strlen(path);

	if (length >= 2 && path[0] == '<' && path[length - 1] == '>')
		return cm_address_parse_quoted(path + 1, length - 2, address_r);
	return cm_address_parse_quoted(path, length, address_r);
}

const char *cm_address_domain(const struct cm_address *address)
{
	return address->text + address->local_length + 1;
}

bool cm_address_is_literal(const struct cm_address *address)
{
	return cm_address_domain(address)[0] == '[';
}

bool cm_address_has_encoded_word(const struct cm_address *address)
{
	return strstr(address->text, "=?") != NULL;
}

bool cm_address_is_ascii(const struct cm_address *address)
{
	for (const char *c = address->text; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			return false;
	}
	return true;
}

bool cm_address_equal(const struct cm_address *a, const struct cm_address *b)
{
	return strcmp(a->text, b->text) == 0;
}
