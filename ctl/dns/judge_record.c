#include "judge_record.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a tag in "a=1; b=2", without its blanks: malloc'd, NULL if text has no such tag. */
static char *tag_value(const char *text, const char *tag)
{
	while (*text != '\0') {
		size_t length, name;
		char *value, *end;

		text += strspn(text, " \t");
		length = strcspn(text, ";");
		name = strcspn(text, "=;");
		if (text[name] == '=' && strlen(tag) == strcspn(text, "= \t") &&
		    strncasecmp(text, tag, strlen(tag)) == 0) {
			value = end = malloc(length + 1);
			for (size_t i = name + 1; end != NULL && i < length; i++)
				if (text[i] != ' ' && text[i] != '\t')
					*end++ = text[i];
			if (end != NULL)
				*end = '\0';
			return value;
		}
		text += length;
		text += *text == ';';
	}
	return NULL;
}

static bool has_value(const struct cm_answer *answer, const char *value)
{
	for (size_t i = 0; i < answer->count; i++)
		if (strcmp(answer->values[i], value) == 0)
			return true;
	return false;
}

/* All addresses at the record's name must be ours. */
static enum cm_dns_state judge_addresses(const struct cm_zone *zone, const struct cm_record *record,
					 const struct cm_answer *answer, const char **why_r)
{
	for (size_t i = 0; i < answer->count; i++) {
		bool ours = false;

		for (char *const *one = zone->addresses; !ours && *one != NULL; one++)
			ours = strcmp(*one, answer->values[i]) == 0;
		if (!ours) {
			*why_r = "an address of another machine";
			return CM_WRONG;
		}
	}
	for (size_t i = 0; i < zone->count; i++) {
		const struct cm_record *other = &zone->list[i];

		if (other->purpose == CM_FOR_ADDRESS && other->type == record->type &&
		    strcmp(other->name, record->name) == 0 && !has_value(answer, other->value))
			return CM_MISSING;
	}
	return CM_RIGHT;
}

static enum cm_dns_state judge_mx(const struct cm_record *record, const struct cm_answer *answer,
				  const char **why_r)
{
	const char *host = strchr(record->value, ' ');
	size_t others = 0;

	for (size_t i = 0; i < answer->count; i++) {
		const char *other = strchr(answer->values[i], ' ');

		others += other == NULL || strcmp(other, host) != 0;
	}
	if (others == 0)
		return CM_RIGHT;
	*why_r = others < answer->count ? "mail may go to another host too"
					: "mail goes to another host, or nowhere";
	return CM_WRONG;
}

/* --- TXT ------------------------------------------------------------------------------------ */

static enum cm_dns_state judge_dkim(const char *ours, const char *text, const char **why_r)
{
	char *key = tag_value(text, "p"), *our_key = tag_value(ours, "p");
	char *hashes = tag_value(text, "h"), *services = tag_value(text, "s");
	char *version = tag_value(text, "v");

	*why_r = NULL;
	if (key == NULL || (version != NULL && strcmp(version, "DKIM1") != 0))
		*why_r = "not a DKIM key";
	else if (key[0] == '\0')
		*why_r = "the key is revoked";
	else if (our_key == NULL || strcmp(key, our_key) != 0)
		*why_r = "another key than the one that signs";
	else if (hashes != NULL && strstr(hashes, "sha256") == NULL)
		*why_r = "does not allow SHA-256";
	else if (services != NULL && strstr(services, "email") == NULL &&
		 strchr(services, '*') == NULL)
		*why_r = "not for mail";
	free(key);
	free(our_key);
	free(hashes);
	free(services);
	free(version);
	return *why_r == NULL ? CM_RIGHT : CM_WRONG;
}

/* True if the mechanism (RFC 7208 5) lets this relay send. */
static bool lets_us_send(const struct cm_zone *zone, const char *word, size_t length)
{
	const char *colon = memchr(word, ':', length);
	size_t name = colon != NULL ? (size_t)(colon - word) : length;

	if (colon == NULL)
		return (length == 1 && strncasecmp(word, "a", 1) == 0) ||
		       (length == 2 && strncasecmp(word, "mx", 2) == 0);
	length -= name + 1;
	if ((name == 1 && strncasecmp(word, "a", 1) == 0) ||
	    (name == 2 && strncasecmp(word, "mx", 2) == 0))
		return (strlen(zone->host) == length &&
			strncasecmp(colon + 1, zone->host, length) == 0) ||
		       (strlen(zone->domain) == length &&
			strncasecmp(colon + 1, zone->domain, length) == 0);
	for (char *const *one = zone->addresses; *one != NULL; one++)
		if (name == 3 && strncasecmp(word, "ip", 2) == 0 && strlen(*one) == length &&
		    strncasecmp(colon + 1, *one, length) == 0)
			return true;
	/* A record of another domain, which we cannot judge. */
	return name == 7 && strncasecmp(word, "include", 7) == 0;
}

static enum cm_dns_state judge_spf(const struct cm_zone *zone, const char *text, const char **why_r)
{
	bool sends = false, everybody = false;

	for (const char *word = text + strlen("v=spf1"); *word != '\0';) {
		size_t length;

		word += strspn(word, " ");
		length = strcspn(word, " ");
		everybody = everybody || (length == 3 && strncasecmp(word, "all", 3) == 0) ||
			    (length == 4 && strncasecmp(word, "+all", 4) == 0);
		if (length > 0 && *word == '+')
			sends = sends || lets_us_send(zone, word + 1, length - 1);
		else if (length > 0)
			sends = sends || lets_us_send(zone, word, length);
		word += length;
	}
	*why_r = everybody ? "everybody may send for the domain"
		 : sends   ? NULL
			   : "this relay may not send for the domain";
	return *why_r == NULL ? CM_RIGHT : CM_WRONG;
}

static enum cm_dns_state judge_dmarc(const char *text, const char **why_r)
{
	char *policy = tag_value(text, "p");

	*why_r = policy == NULL                    ? "has no policy"
		 : strcasecmp(policy, "none") == 0 ? "does not ask receivers to refuse forged mail"
		 : strcasecmp(policy, "reject") != 0 && strcasecmp(policy, "quarantine") != 0
		     ? "has an unknown policy"
		     : NULL;
	free(policy);
	return *why_r == NULL ? CM_RIGHT : CM_WRONG;
}

static enum cm_dns_state judge_mta_sts(const char *ours, const char *text, const char **why_r)
{
	char *id = tag_value(text, "id"), *our_id = tag_value(ours, "id");

	if (id == NULL)
		*why_r = "has no id";
	else if (our_id == NULL || strcmp(id, our_id) != 0)
		*why_r = "the id is of another policy";
	free(id);
	free(our_id);
	return *why_r == NULL ? CM_RIGHT : CM_WRONG;
}

static const char *prefix_of(enum cm_purpose purpose)
{
	return purpose == CM_FOR_SPF       ? "v=spf1"
	       : purpose == CM_FOR_DMARC   ? "v=DMARC1"
	       : purpose == CM_FOR_MTA_STS ? "v=STSv1"
	       : purpose == CM_FOR_ADSP    ? "dkim="
					   : "";
}

static enum cm_dns_state judge_text(const struct cm_zone *zone, const struct cm_record *record,
				    const struct cm_answer *answer, const char **why_r)
{
	const char *prefix = prefix_of(record->purpose), *text = NULL;
	size_t found = 0;

	/* Other TXT records may exist at the same name. */
	for (size_t i = 0; i < answer->count; i++)
		if (strncasecmp(answer->values[i], prefix, strlen(prefix)) == 0 && found++ == 0)
			text = answer->values[i];
	if (text == NULL)
		return CM_MISSING;
	if (found > 1) {
		*why_r = "several records: receivers accept none of them";
		return CM_WRONG;
	}
	switch (record->purpose) {
	case CM_FOR_DKIM:
		return judge_dkim(record->value, text, why_r);
	case CM_FOR_SPF:
		return judge_spf(zone, text, why_r);
	case CM_FOR_DMARC:
		return judge_dmarc(text, why_r);
	case CM_FOR_MTA_STS:
		return judge_mta_sts(record->value, text, why_r);
	default:
		return strcasecmp(text, record->value) == 0 ? CM_RIGHT : CM_WRONG;
	}
}

/* --- The others ----------------------------------------------------------------------------- */

/* Port and host count; the operator may choose priority and weight. */
static enum cm_dns_state judge_service(const struct cm_record *record,
				       const struct cm_answer *answer, const char **why_r)
{
	const char *ours = strchr(strchr(record->value, ' ') + 1, ' ');

	for (size_t i = 0; i < answer->count; i++) {
		const char *other = strchr(answer->values[i], ' ');

		other = other != NULL ? strchr(other + 1, ' ') : NULL;
		if (other == NULL || strcmp(other, ours) != 0) {
			*why_r = "another host or port";
			return CM_WRONG;
		}
	}
	return CM_RIGHT;
}

/* Any authority is fine, but there must be one. */
static enum cm_dns_state judge_caa(const struct cm_answer *answer, const char **why_r)
{
	bool restricts = false;

	for (size_t i = 0; i < answer->count; i++) {
		const char *tag = strchr(answer->values[i], ' ');

		if (tag == NULL || strncasecmp(tag, " issue \"", 8) != 0)
			continue;
		if (tag[8] != ';' && tag[8] != '"')
			return CM_RIGHT;
		restricts = true;
	}
	if (!restricts)
		return CM_RIGHT;
	*why_r = "no authority may issue a certificate";
	return CM_WRONG;
}

/* An alias of the host, or of the domain. */
static enum cm_dns_state judge_name(const struct cm_zone *zone, const struct cm_answer *answer,
				    const char **why_r)
{
	size_t length = answer->count > 0 ? strlen(answer->values[0]) : 0;

	if (length > 1 && (strncmp(answer->values[0], zone->host, length - 1) == 0 ||
			   strncmp(answer->values[0], zone->domain, length - 1) == 0))
		return CM_RIGHT;
	*why_r = "a name of another machine";
	return CM_WRONG;
}

enum cm_dns_state cm_judge_record(const struct cm_zone *zone, const struct cm_record *record,
				  const struct cm_answer *answer, const char **why_r)
{
	*why_r = NULL;
	if (answer->status == CM_ANSWER_TROUBLE)
		return CM_UNKNOWN;
	if (answer->status == CM_ANSWER_ABSENT)
		return CM_MISSING;
	switch (record->purpose) {
	case CM_FOR_ADDRESS:
		return judge_addresses(zone, record, answer, why_r);
	case CM_FOR_MX:
		return judge_mx(record, answer, why_r);
	case CM_FOR_NAME:
		return judge_name(zone, answer, why_r);
	case CM_FOR_SERVICE:
		return judge_service(record, answer, why_r);
	case CM_FOR_CAA:
		return judge_caa(answer, why_r);
	default:
		return judge_text(zone, record, answer, why_r);
	}
}
