#include "zone.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "format.h"
#include "public_ip.h"
#include "signing_key.h"

/* RFC 1035 3.3: the longest string in a TXT record. */
#define STRING_MAX 255

static const struct {
	enum cm_record_type type;
	const char *name;
} type_names[] = {
    {CM_RECORD_A, "A"},       {CM_RECORD_NS, "NS"},   {CM_RECORD_CNAME, "CNAME"},
    {CM_RECORD_PTR, "PTR"},   {CM_RECORD_MX, "MX"},   {CM_RECORD_TXT, "TXT"},
    {CM_RECORD_AAAA, "AAAA"}, {CM_RECORD_SRV, "SRV"}, {CM_RECORD_CAA, "CAA"},
};

const char *cm_record_type_name(enum cm_record_type type)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return "?";
}

/* Takes over name and value. */
static bool add(struct cm_zone *zone, enum cm_purpose purpose, bool needed,
		enum cm_record_type type, char *name, char *value)
{
	if (zone->count == zone->room) {
		size_t room = zone->room == 0 ? 32 : zone->room * 2;
		struct cm_record *list = realloc(zone->list, room * sizeof(*list));

		if (list != NULL) {
			zone->list = list;
			zone->room = room;
		}
	}
	if (zone->count == zone->room || name == NULL || value == NULL) {
		free(name);
		free(value);
		return false;
	}
	zone->list[zone->count++] = (struct cm_record){name, type, value, purpose, needed};
	return true;
}

/* --- Addresses ------------------------------------------------------------------------------ */

static bool add_address(struct cm_zone *zone, const char *text)
{
	size_t count = 0;

	while (zone->addresses[count] != NULL)
		if (strcmp(zone->addresses[count++], text) == 0)
			return true;
	if (count == CM_ZONE_ADDRESSES_MAX - 1)
		return true;
	return (zone->addresses[count] = strdup(text)) != NULL;
}

static bool find_addresses(struct cm_zone *zone)
{
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];
	bool good = true;

	if (getifaddrs(&all) < 0)
		return true;
	for (const struct ifaddrs *one = all; good && one != NULL; one = one->ifa_next) {
		const void *binary;
		int family;

		if (one->ifa_addr == NULL)
			continue;
		family = one->ifa_addr->sa_family;
		binary =
		    family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)one->ifa_addr)
			      ->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)one->ifa_addr)
			      ->sin6_addr;
		if (!cm_public_ip(family, binary) || (zone->no_ipv6 && family == AF_INET6))
			continue;
		if (inet_ntop(family, binary, text, sizeof(text)) != NULL)
			good = add_address(zone, text);
	}
	freeifaddrs(all);
	return good;
}

static bool add_addresses(struct cm_zone *zone, const char *name)
{
	bool good = true;

	for (char *const *address = zone->addresses; good && *address != NULL; address++) {
		bool ipv6 = strchr(*address, ':') != NULL;

		good = add(zone, CM_FOR_ADDRESS, true, ipv6 ? CM_RECORD_AAAA : CM_RECORD_A,
			   strdup(name), strdup(*address));
	}
	return good;
}

/* --- The others ----------------------------------------------------------------------------- */

static bool add_keys(struct cm_zone *zone, const struct cm_config *config, const char *directory,
		     struct cm_error *err)
{
	struct cm_signing_keys keys;
	bool good = true;

	if (!cm_signing_keys_read(directory, "", config->dkim_selector, &keys, err))
		return false;
	for (size_t i = 0; good && i < keys.count; i++)
		good = add(zone, CM_FOR_DKIM, i == 0, CM_RECORD_TXT,
			   cm_format("%s._domainkey.%s", keys.key[i].selector, zone->domain),
			   cm_signing_key_record(&keys.key[i]));
	cm_signing_keys_free(&keys);
	if (!good)
		cm_error_set(err, "out of memory");
	return good;
}

/* RFC 8461 3.1: the id changes when the policy does. */
static bool add_mta_sts(struct cm_zone *zone, const char *policy)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char id[17];

	if (policy == NULL)
		return true;
	SHA256((const unsigned char *)policy, strlen(policy), hash);
	for (size_t i = 0; i < 8; i++)
		snprintf(id + 2 * i, 3, "%02x", hash[i]);
	return add(zone, CM_FOR_MTA_STS, false, CM_RECORD_TXT,
		   cm_format("_mta-sts.%s", zone->domain), cm_format("v=STSv1; id=%s", id)) &&
	       add(zone, CM_FOR_NAME, false, CM_RECORD_CNAME, cm_format("mta-sts.%s", zone->domain),
		   cm_format("%s.", zone->host));
}

static bool add_services(struct cm_zone *zone)
{
	static const struct {
		const char *service;
		unsigned int port;
	} services[] = {
	    {"_submission", 587}, {"_submissions", 465}, {"_imap", 143}, {"_imaps", 993}};
	bool good = true;

	for (size_t i = 0; good && i < sizeof(services) / sizeof(services[0]); i++)
		good = add(zone, CM_FOR_SERVICE, false, CM_RECORD_SRV,
			   cm_format("%s._tcp.%s", services[i].service, zone->domain),
			   cm_format("0 1 %u %s.", services[i].port, zone->domain));
	return good;
}

static bool add_mail(struct cm_zone *zone)
{
	const char *domain = zone->domain, *host = zone->host;
	bool apart = strcmp(domain, host) != 0;

	return add(zone, CM_FOR_MX, true, CM_RECORD_MX, strdup(domain),
		   cm_format("10 %s.", host)) &&
	       add(zone, CM_FOR_SPF, true, CM_RECORD_TXT, strdup(domain),
		   strdup(apart ? "v=spf1 a mx ~all" : "v=spf1 a ~all")) &&
	       add(zone, CM_FOR_DMARC, true, CM_RECORD_TXT, cm_format("_dmarc.%s", domain),
		   strdup("v=DMARC1;p=reject;adkim=s;aspf=s")) &&
	       add(zone, CM_FOR_ADSP, false, CM_RECORD_TXT,
		   cm_format("_adsp._domainkey.%s", domain), strdup("dkim=discardable"));
}

static bool add_names(struct cm_zone *zone)
{
	return add(zone, CM_FOR_NAME, false, CM_RECORD_CNAME, cm_format("www.%s", zone->domain),
		   cm_format("%s.", zone->host)) &&
	       add(zone, CM_FOR_NAME, false, CM_RECORD_CNAME,
		   cm_format("autoconfig.%s", zone->domain), cm_format("%s.", zone->host)) &&
	       add(zone, CM_FOR_CAA, false, CM_RECORD_CAA, strdup(zone->domain),
		   strdup("0 issue \"letsencrypt.org\""));
}

bool cm_zone_make(const struct cm_config *config, const struct cm_zone_facts *facts,
		  struct cm_zone *zone_r, struct cm_error *err)
{
	bool good;

	*zone_r = (struct cm_zone){
	    .domain = strdup(config->mail_domain),
	    .host = strdup(facts->host != NULL ? facts->host : config->mail_domain),
	    .no_ipv6 = config->disable_ipv6,
	};
	good = zone_r->domain != NULL && zone_r->host != NULL;
	for (size_t i = 0; good && facts->addresses[i] != NULL; i++)
		good = add_address(zone_r, facts->addresses[i]);
	if (good && facts->addresses[0] == NULL)
		good = find_addresses(zone_r);
	good = good && add_addresses(zone_r, zone_r->domain) &&
	       (strcmp(zone_r->domain, zone_r->host) == 0 || add_addresses(zone_r, zone_r->host)) &&
	       add_mail(zone_r);
	if (!good) {
		cm_error_set(err, "out of memory");
		return false;
	}
	if (!add_keys(zone_r, config, facts->keys_dir, err))
		return false;
	good = add_mta_sts(zone_r, facts->policy) && add_names(zone_r) && add_services(zone_r);
	if (!good)
		cm_error_set(err, "out of memory");
	return good;
}

void cm_zone_free(struct cm_zone *zone)
{
	for (size_t i = 0; i < zone->count; i++) {
		free(zone->list[i].name);
		free(zone->list[i].value);
	}
	for (char **address = zone->addresses; *address != NULL; address++)
		free(*address);
	free(zone->list);
	free(zone->domain);
	free(zone->host);
	*zone = (struct cm_zone){0};
}

/* --- Printing ------------------------------------------------------------------------------- */

static void print_quoted(const char *text, FILE *stream)
{
	for (size_t left = strlen(text), part; left > 0; left -= part, text += part) {
		part = left < STRING_MAX ? left : STRING_MAX;
		fputc('"', stream);
		for (size_t i = 0; i < part; i++) {
			if (text[i] == '"' || text[i] == '\\')
				fputc('\\', stream);
			fputc(text[i], stream);
		}
		fputs(left > part ? "\" " : "\"", stream);
	}
}

static void print_line(const struct cm_record *record, int width, FILE *stream)
{
	if (width < (int)strlen(record->name))
		width = (int)strlen(record->name);
	fprintf(stream, "%s.%*s 3600 IN %-5s ", record->name, width - (int)strlen(record->name), "",
		cm_record_type_name(record->type));
	if (record->type == CM_RECORD_TXT)
		print_quoted(record->value, stream);
	else
		fputs(record->value, stream);
}

static int longest_name(const struct cm_zone *zone)
{
	size_t width = 0;

	for (size_t i = 0; i < zone->count; i++)
		if (strlen(zone->list[i].name) > width)
			width = strlen(zone->list[i].name);
	return (int)width;
}

void cm_zone_print_bind(const struct cm_zone *zone, FILE *stream)
{
	int width = longest_name(zone);

	for (size_t i = 0; i < zone->count; i++) {
		print_line(&zone->list[i], width, stream);
		fputc('\n', stream);
	}
}

/* Web forms expect the name without the domain, and "@" for the domain itself. */
void cm_zone_print_table(const struct cm_zone *zone, FILE *stream)
{
	size_t length = strlen(zone->domain);
	int width = longest_name(zone);

	fprintf(stream, "%-*s  %-5s  VALUE\n", width, "NAME", "TYPE");
	for (size_t i = 0; i < zone->count; i++) {
		const struct cm_record *record = &zone->list[i];
		size_t all = strlen(record->name);
		bool inside = all > length && record->name[all - length - 1] == '.' &&
			      strcmp(record->name + all - length, zone->domain) == 0;
		int shown = (int)(inside ? all - length - 1 : all);

		if (strcmp(record->name, zone->domain) == 0)
			fprintf(stream, "%-*s", width, "@");
		else
			fprintf(stream, "%.*s%*s", shown, record->name, width - shown, "");
		fprintf(stream, "  %-5s  %s\n", cm_record_type_name(record->type), record->value);
	}
}

json_t *cm_zone_json(const struct cm_zone *zone)
{
	json_t *list = json_array();

	for (size_t i = 0; i < zone->count; i++) {
		const struct cm_record *record = &zone->list[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:b}", "name", record->name,
						"type", cm_record_type_name(record->type), "value",
						record->value, "needed", (int)record->needed));
	}
	return list;
}

char *cm_record_line(const struct cm_record *record)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	print_line(record, 0, stream);
	return fclose(stream) == 0 ? text : NULL;
}
