#include "dkim_signature.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address.h"

/* More names in h= make a signature unacceptable: each costs a pass over the header. */
#define DKIM_SIGNED_NAMES_MAX 256

/* Seconds by which the clocks of two mail servers may differ. */
#define CLOCK_DRIFT 300

/* Copies a domain name, NUL-terminated. False if it is an address literal, or not a domain
   name. */
static bool copy_name(const struct cm_tag *tag, char name_r[CM_DKIM_NAME_SIZE])
{
	if (tag->value_length >= CM_DKIM_NAME_SIZE || tag->value_length == 0 ||
	    tag->value[0] == '[' || !cm_domain_valid(tag->value, tag->value_length))
		return false;
	memcpy(name_r, tag->value, tag->value_length);
	name_r[tag->value_length] = '\0';
	return true;
}

static const char *parse_names(const struct cm_tag_list *list, struct cm_dkim_signature *signature)
{
	const struct cm_tag *domain = cm_tag_list_find(list, "d");
	const struct cm_tag *selector = cm_tag_list_find(list, "s");
	char text[CM_DKIM_NAME_SIZE];
	int length;

	if (domain == NULL || !copy_name(domain, signature->domain))
		return "d= is missing or not a domain name";
	if (selector == NULL || !copy_name(selector, text))
		return "s= is missing or not a selector";
	length = snprintf(signature->key_name, sizeof(signature->key_name), "%s._domainkey.%s",
			  text, signature->domain);
	if (length < 0 || (size_t)length >= sizeof(signature->key_name))
		return "the key's name is too long";
	return NULL;
}

/* i= must be d= or below it. It is quoted-printable, so white space in it is ignored. */
static const char *parse_identity(const struct cm_tag_list *list,
				  struct cm_dkim_signature *signature)
{
	const struct cm_tag *identity = cm_tag_list_find(list, "i");
	size_t domain_length = strlen(signature->domain);
	char domain[CM_DKIM_NAME_SIZE];
	size_t length = 0;
	bool in_domain = false;

	signature->identity_is_domain = true;
	if (identity == NULL)
		return NULL;
	for (size_t i = 0; i < identity->value_length; i++) {
		char byte = identity->value[i];

		if (byte == '@') {
			in_domain = true;
			length = 0;
		} else if (in_domain && strchr(" \t\r\n", byte) == NULL) {
			if (length == sizeof(domain))
				return "i= is too long";
			domain[length++] = byte;
		}
	}
	if (!in_domain || length < domain_length ||
	    strncasecmp(domain + length - domain_length, signature->domain, domain_length) != 0)
		return "i= is outside of d=";
	if (length > domain_length && domain[length - domain_length - 1] != '.')
		return "i= is outside of d=";
	signature->identity_is_domain = length == domain_length;
	return NULL;
}

static const char *parse_algorithms(const struct cm_tag_list *list,
				    struct cm_dkim_signature *signature)
{
	const struct cm_tag *algorithm = cm_tag_list_find(list, "a");
	const struct cm_tag *canonicalization = cm_tag_list_find(list, "c");
	const struct cm_tag *query = cm_tag_list_find(list, "q");

	if (algorithm == NULL)
		return "a= is missing";
	if (cm_tag_is(algorithm, "rsa-sha256"))
		signature->algorithm = CM_DKIM_RSA_SHA256;
	else if (cm_tag_is(algorithm, "ed25519-sha256"))
		signature->algorithm = CM_DKIM_ED25519_SHA256;
	else
		return "a= is not rsa-sha256 or ed25519-sha256";
	if (query != NULL && !cm_tag_has_word(query, "dns/txt"))
		return "q= is not dns/txt";

	signature->relaxed_header = signature->relaxed_body = false;
	if (canonicalization == NULL || cm_tag_is(canonicalization, "simple") ||
	    cm_tag_is(canonicalization, "simple/simple"))
		return NULL;
	if (cm_tag_is(canonicalization, "simple/relaxed")) {
		signature->relaxed_body = true;
		return NULL;
	}
	signature->relaxed_header = true;
	if (cm_tag_is(canonicalization, "relaxed") || cm_tag_is(canonicalization, "relaxed/simple"))
		return NULL;
	signature->relaxed_body = true;
	return cm_tag_is(canonicalization, "relaxed/relaxed") ? NULL : "c= is unknown";
}

/* RFC 6376 3.5: an unsigned number of at most 12 digits. */
static bool parse_time(const struct cm_tag *tag, int64_t *time_r)
{
	if (tag->value_length == 0 || tag->value_length > 12)
		return false;
	*time_r = 0;
	for (size_t i = 0; i < tag->value_length; i++) {
		if (tag->value[i] < '0' || tag->value[i] > '9')
			return false;
		*time_r = *time_r * 10 + (tag->value[i] - '0');
	}
	return true;
}

static const char *parse_times(const struct cm_tag_list *list, time_t now)
{
	const struct cm_tag *made = cm_tag_list_find(list, "t");
	const struct cm_tag *expires = cm_tag_list_find(list, "x");
	int64_t made_time = 0, expiry_time;

	if (made != NULL && !parse_time(made, &made_time))
		return "t= is not a time";
	if (made_time > (int64_t)now + CLOCK_DRIFT)
		return "t= is in the future";
	if (expires == NULL)
		return NULL;
	if (!parse_time(expires, &expiry_time))
		return "x= is not a time";
	if (made != NULL && expiry_time <= made_time)
		return "x= is not after t=";
	return expiry_time + CLOCK_DRIFT < (int64_t)now ? "it has expired" : NULL;
}

static const char *parse_signed_names(const struct cm_tag_list *list,
				      struct cm_dkim_signature *signature)
{
	const struct cm_tag *names = cm_tag_list_find(list, "h");
	size_t position = 0, length, count = 0;
	const char *name;

	if (names == NULL)
		return "h= is missing";
	while (cm_tag_next_word(names, &position, &name, &length)) {
		if (length == 0)
			return "h= has an empty name";
		if (++count > DKIM_SIGNED_NAMES_MAX)
			return "h= has too many names";
	}
	if (!cm_tag_has_word(names, "from"))
		return "h= does not name From";
	signature->signed_names = *names;
	return NULL;
}

static const char *parse_hashes(const struct cm_tag_list *list, struct cm_dkim_signature *signature)
{
	const struct cm_tag *body_hash = cm_tag_list_find(list, "bh");
	const struct cm_tag *bytes = cm_tag_list_find(list, "b");
	size_t length;

	if (body_hash == NULL ||
	    !cm_tag_base64(body_hash, signature->body_hash, sizeof(signature->body_hash),
			   &length) ||
	    length != sizeof(signature->body_hash))
		return "bh= is missing or not a SHA-256 hash";
	if (bytes == NULL || !cm_tag_base64(bytes, signature->bytes, sizeof(signature->bytes),
					    &signature->bytes_length))
		return "b= is missing or not a signature";
	signature->signature = *bytes;
	return NULL;
}

const char *cm_dkim_signature_parse(const char *value, size_t length, time_t now,
				    struct cm_dkim_signature *signature_r)
{
	struct cm_tag_list list;
	const struct cm_tag *version;
	const char *why;

	if (!cm_tag_list_parse(value, length, &list))
		return "malformed tag list";
	version = cm_tag_list_find(&list, "v");
	if (version == NULL || !cm_tag_is(version, "1"))
		return "v= is missing or not 1";
	if ((why = parse_names(&list, signature_r)) != NULL ||
	    (why = parse_identity(&list, signature_r)) != NULL ||
	    (why = parse_algorithms(&list, signature_r)) != NULL ||
	    (why = parse_times(&list, now)) != NULL ||
	    (why = parse_signed_names(&list, signature_r)) != NULL ||
	    (why = parse_hashes(&list, signature_r)) != NULL)
		return why;
	if (cm_tag_list_find(&list, "l") != NULL)
		return "l= leaves the end of the body unsigned";
	return NULL;
}
