#include "log_hide.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "redact.h"

#define HOST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

/* What comes before a value that names a user or a client, and the bytes that end it. */
static const struct {
	const char *key, *end;
} values[] = {
    {"helo=<", ">"},          {"from=<", ">"},        {"to=<", ">"},     {"user=<", ">"},
    {"sasl_username=", ", "}, {"sasl_sender=", ", "}, {"client: ", ","}, /* nginx */
};

/* The length of what to hide at the beginning of text, after its key of key_r bytes; 0: nothing. */
static size_t value_length(const char *text, size_t *key_r)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		*key_r = strlen(values[i].key);
		if (strncmp(text, values[i].key, *key_r) == 0)
			return strcspn(text + *key_r, values[i].end);
	}
	return 0;
}

/* The length of "NAME[ADDRESS]" with an IP address; 0: text does not begin with that. */
static size_t host_length(const char *text)
{
	size_t name = strspn(text, HOST);
	const char *address = text + name + 1;
	size_t length = text[name] == '[' ? strspn(address, "0123456789abcdefABCDEF.:") : 0;

	return name > 0 && length > 2 && address[length] == ']' ? name + length + 2 : 0;
}

static bool ends_with(const char *start, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - start) >= length && memcmp(end - length, word, length) == 0;
}

/* The servers of other relays may be named: only those that connect are somebody's. */
static bool is_server(const char *start, const char *host)
{
	return ends_with(start, host, "relay=") || ends_with(start, host, " to ") ||
	       ends_with(start, host, "host ") || ends_with(start, host, "with ");
}

/* Dovecot's "imap(NAME)<7>" and "auth: passwd(NAME,ADDRESS)": the length of NAME, which follows the
   key; 0 for a PID, or nothing. */
static size_t user_length(const char *text, size_t *key_r)
{
	size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz-_");
	const char *name = text + word + 1, *rest;
	size_t length = text[word] == '(' ? strcspn(name, ",)") : 0;

	*key_r = word + 1;
	if (word == 0 || length == 0 || strspn(name, "0123456789") == length)
		return 0;
	rest = name + length;
	if (rest[0] == ',')
		return rest[1] != ' ' ? length : 0;
	return rest[0] == ')' && (rest[1] == '<' || rest[1] == ':') ? length : 0;
}

static bool is_word_start(const char *start, const char *text)
{
	return text == start || strchr(HOST, text[-1]) == NULL;
}

/* How much at the beginning of text to hide, after *key_r bytes that stay. */
static size_t hidden_length(const char *start, const char *text, bool prefix, size_t *key_r)
{
	size_t length = value_length(text, key_r);

	if (length == 0 && prefix)
		length = user_length(text, key_r);
	if (length == 0 && is_word_start(start, text) && !is_server(start, text)) {
		*key_r = 0;
		length = host_length(text);
	}
	return length;
}

char *cm_log_hide(const char *text)
{
	/* The shortest thing that is hidden has one byte. */
	char *result = malloc(strlen(text) * strlen(CM_REDACTED) + 1), *end = result, *redacted;
	const char *from = text;
	int prefixes = 0;

	if (result == NULL)
		return NULL;
	while (*from != '\0') {
		/* At the start, and after the colon that ends Dovecot's prefix. */
		bool prefix = from == text || (prefixes < 2 && ends_with(text, from, ": "));
		size_t key = 0, length = hidden_length(text, from, prefix, &key);

		prefixes += prefix;
		if (length == 0) {
			*end++ = *from++;
			continue;
		}
		end = mempcpy(end, from, key);
		end = stpcpy(end, CM_REDACTED);
		from += key + length;
	}
	*end = '\0';
	redacted = cm_redact(result);
	free(result);
	return redacted;
}
