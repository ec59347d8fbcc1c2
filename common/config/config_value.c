#include "config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "address.h"

/* The unit may follow the digits. */
static bool read_digits(const char *text, const char *unit, unsigned int min, unsigned int max,
			unsigned int *value_r)
{
	char *end;
	unsigned long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || (*end != '\0' && strcmp(end, unit) != 0) || value < min || value > max)
		return false;
	*value_r = (unsigned int)value;
	return true;
}

bool cm_value_read_number(const char *text, unsigned int min, unsigned int max,
			  unsigned int *value_r)
{
	return read_digits(text, "", min, max, value_r);
}

bool cm_value_read_days(const char *text, unsigned int min, unsigned int max, unsigned int *value_r)
{
	return read_digits(text, "d", min, max, value_r);
}

bool cm_value_read_size(const char *text, uint64_t unit, uint64_t *value_r)
{
	char *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	if (*end != '\0') {
		switch (*end++) {
		case 'M':
		case 'm':
			unit = UINT64_C(1) << 20;
			break;
		case 'G':
		case 'g':
			unit = UINT64_C(1) << 30;
			break;
		default:
			return false;
		}
		if (*end == 'B' || *end == 'b')
			end++;
	}
	if (*end != '\0' || value > (UINT64_MAX >> 1) / unit)
		return false;
	*value_r = value * unit;
	return true;
}

bool cm_value_read_real(const char *text, double *value_r)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value_r = strtod(text, &end);
	return errno == 0 && *end == '\0' && *value_r <= 1e6;
}

bool cm_value_read_flag(const char *text, bool *value_r)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*value_r = i % 2 == 1;
			return true;
		}
	}
	return false;
}

bool cm_value_is_ip(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char binary[sizeof(struct in6_addr)];

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET, address, binary) == 1 ||
	       inet_pton(AF_INET6, address, binary) == 1;
}

bool cm_value_is_query(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~%";
	size_t length;

	for (;;) {
		length = strspn(text, plain);
		if (length == 0 || text[length] != '=')
			return false;
		text += length + 1;
		length = strspn(text, plain);
		text += length;
		if (*text == '\0')
			return length > 0;
		if (length == 0 || *text != '&')
			return false;
		text++;
	}
}

bool cm_value_is_network(const char *text)
{
	size_t length = strcspn(text, "/");
	unsigned int bits;

	return cm_value_is_ip(text, length) &&
	       (text[length] == '\0' ||
		cm_value_read_number(text + length + 1, 0, strchr(text, ':') != NULL ? 128 : 32,
				     &bits));
}

bool cm_value_is_host(const char *text)
{
	size_t length = strlen(text);

	return cm_value_is_ip(text, length) || (text[0] != '[' && cm_domain_valid(text, length));
}

bool cm_value_is_url(const char *text, const char *scheme)
{
	size_t length = strlen(scheme);

	return strncasecmp(text, scheme, length) == 0 && strspn(text + length, "/?#") == 0 &&
	       text[length] != '\0' && strpbrk(text, " \t") == NULL;
}

bool cm_value_is_resolver(const char *text)
{
	const char *at = strchr(text, '@');
	unsigned int port;

	if (at == NULL)
		return cm_value_is_ip(text, strlen(text));
	return cm_value_is_ip(text, (size_t)(at - text)) &&
	       cm_value_read_number(at + 1, 1, 65535, &port);
}

/* Some characters have a meaning in nginx's configuration. */
bool cm_value_is_web(const char *text)
{
	static const char scheme[] = "unix:";
	const size_t size = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *path = text + strlen(scheme);

	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return cm_value_is_listen(text);
	return path[0] == '/' && strlen(path) < size && strpbrk(path, " \t:;{}\"'$\\") == NULL;
}

bool cm_value_is_listen(const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned int port;

	if (colon == NULL || !cm_value_read_number(colon + 1, 1, 65535, &port))
		return false;
	if (text[0] == '[' && colon > text + 2 && colon[-1] == ']')
		return cm_value_is_ip(text + 1, (size_t)(colon - text - 2));
	return cm_value_is_ip(text, (size_t)(colon - text)) ||
	       cm_domain_valid(text, (size_t)(colon - text));
}

bool cm_value_is_path(const char *text)
{
	static const char signs[] = "/._+@=~:-";
	bool component = false;

	if (text[0] != '/')
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			      (*c >= '0' && *c <= '9') || (unsigned char)*c >= 0x80;
		size_t length = *c == '/' ? strcspn(c + 1, "/") : 0;

		if (!letter && strchr(signs, *c) == NULL)
			return false;
		if ((length == 1 && c[1] == '.') || (length == 2 && strncmp(c + 1, "..", 2) == 0))
			return false;
		component = component || *c != '/';
	}
	return component;
}

bool cm_value_is_mail_path(const char *text)
{
	const char *slash = strrchr(text, '/');
	size_t length = strlen(text);
	char *parent;
	bool good;

	if (slash == NULL || slash[1] != '[')
		return cm_value_is_path(text);
	slash += strncasecmp(slash, "/[ipv6:", 7) == 0 ? 5 : 0;
	if (text[length - 1] != ']' ||
	    !cm_value_is_ip(slash + 2, (size_t)(text + length - 1 - (slash + 2))))
		return false;
	parent = strndup(text, (size_t)(strrchr(text, '/') - text));
	good = parent != NULL && cm_value_is_path(parent);
	free(parent);
	return good;
}

bool cm_value_is_plain(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return strpbrk(text, " \t$#;{}\"'\\`%<") == NULL;
}
