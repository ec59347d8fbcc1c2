/*
 * examine_dns - the relay's names as other servers look them up
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialogue.h"
#include "examination.h"
#include "verify.h"

/* "ip6.arpa" with its nibbles. */
#define REVERSE_SIZE 80

static bool is_key(const struct cm_dns_finding *finding)
{
	return finding->type == CM_RECORD_TXT && strstr(finding->name, "._domainkey.") != NULL &&
	       finding->name[0] != '_';
}

static void add_finding(const struct cm_dns_finding *finding, struct cm_checks *checks)
{
	char title[32];
	struct cm_check *check;

	if (is_key(finding))
		snprintf(title, sizeof(title), "DKIM key");
	else
		snprintf(title, sizeof(title), "%s record", cm_record_type_name(finding->type));
	check = cm_checks_add(checks, is_key(finding) ? "dns-dkim" : "dns-record", title,
			      finding->state == CM_RIGHT     ? CM_HEALTH_GOOD
			      : finding->state == CM_UNKNOWN ? CM_HEALTH_WARNING
							     : CM_HEALTH_FAULT,
			      "%s: %s", finding->name,
			      finding->state == CM_RIGHT ? "the DNS has the key that signs"
							 : cm_dns_state_names[finding->state]);
	if (finding->fix != NULL)
		cm_check_remedy(check, "%s", finding->fix);
}

/* True unless no server answered anything. */
static bool answered(const struct cm_dns_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].state != CM_UNKNOWN)
			return true;
	return findings->count == 0;
}

static void add_findings(const struct cm_doctor *doctor, const struct cm_dns_findings *findings,
			 struct cm_checks *checks)
{
	size_t wrong = 0, optional = 0;
	struct cm_check *check;

	if (!answered(findings)) {
		check = cm_checks_add(checks, "dns", "DNS", CM_HEALTH_FAULT,
				      "the resolver %s does not reply",
				      doctor->config->resolver[0] != '\0' ? doctor->config->resolver
									  : "of /etc/resolv.conf");
		cm_check_remedy(check, "start it, or set another one with resolver in %s",
				doctor->config->path);
		return;
	}
	for (size_t i = 0; i < findings->count; i++) {
		const struct cm_dns_finding *finding = &findings->list[i];

		wrong += finding->state != CM_RIGHT && finding->needed;
		optional += finding->state != CM_RIGHT && !finding->needed;
		if (is_key(finding) || (finding->state != CM_RIGHT && finding->needed))
			add_finding(finding, checks);
	}
	if (optional > 0) {
		check = cm_checks_add(checks, "dns", "DNS", CM_HEALTH_WARNING,
				      "%zu recommended records are missing or wrong", optional);
		cm_check_remedy(check, "chatmailctl dns --check");
	} else if (wrong == 0) {
		cm_checks_add(checks, "dns", "DNS", CM_HEALTH_GOOD, "all %zu records are right",
			      findings->count);
	}
}

/* --- Reverse names -------------------------------------------------------------------------- */

static bool reverse_name(const char *address, char name_r[REVERSE_SIZE])
{
	unsigned char a[16];
	size_t at = 0;

	if (inet_pton(AF_INET, address, a) == 1) {
		snprintf(name_r, REVERSE_SIZE, "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1], a[0]);
		return true;
	}
	if (inet_pton(AF_INET6, address, a) != 1)
		return false;
	for (size_t i = sizeof(a); i-- > 0; at += 4)
		snprintf(name_r + at, REVERSE_SIZE - at, "%x.%x.", a[i] & 15, a[i] >> 4);
	snprintf(name_r + at, REVERSE_SIZE - at, "ip6.arpa");
	return true;
}

/* True if one of the names leads back to the address. */
static bool leads_back(struct cm_query *query, const struct cm_answer *names, const char *address)
{
	enum cm_record_type type = strchr(address, ':') != NULL ? CM_RECORD_AAAA : CM_RECORD_A;
	bool found = false;

	for (size_t i = 0; !found && i < names->count; i++) {
		struct cm_answer answer;

		cm_query_ask(query, names->values[i], type, &answer);
		for (size_t a = 0; a < answer.count; a++)
			found = found || strcmp(answer.values[a], address) == 0;
		cm_answer_free(&answer);
	}
	return found;
}

/* Large providers refuse mail from addresses without a name. */
static void examine_reverse(const struct cm_servers *servers, const struct cm_zone *zone,
			    const char *address, struct cm_checks *checks)
{
	char name[REVERSE_SIZE];
	struct cm_answer names;
	struct cm_check *check;

	if (!reverse_name(address, name))
		return;
	cm_query_ask(servers->local, name, CM_RECORD_PTR, &names);
	if (names.count > 0 && leads_back(servers->local, &names, address)) {
		cm_checks_add(checks, "reverse-name", "reverse name", CM_HEALTH_GOOD, "%s is %s",
			      address, names.values[0]);
	} else {
		check = cm_checks_add(checks, "reverse-name", "reverse name", CM_HEALTH_WARNING,
				      names.count > 0
					  ? "the name of %s does not lead back to it"
					  : "%s has no name: large providers refuse mail from it",
				      address);
		cm_check_remedy(check, "ask the provider of the machine to name %s %s", address,
				zone->host);
	}
	cm_answer_free(&names);
}

static void examine_ipv6(const struct cm_doctor *doctor, const struct cm_zone *zone,
			 struct cm_checks *checks)
{
	static const char key[] = "ipv6", title[] = "IPv6";
	struct cm_dialogue *dialogue;
	struct cm_check *check;
	struct cm_error err;
	const char *address = NULL;

	for (char *const *one = zone->addresses; *one != NULL; one++)
		if (strchr(*one, ':') != NULL)
			address = *one;
	if (doctor->config->disable_ipv6 || address == NULL) {
		cm_checks_add(checks, key, title, CM_HEALTH_OFF, "%s",
			      doctor->config->disable_ipv6 ? "disable_ipv6 = true"
							   : "this machine has no public address");
		return;
	}
	dialogue = cm_dialogue_tcp(address, cm_doctor_port(doctor, "smtp_port"), &err);
	if (dialogue != NULL) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "%s accepts mail", address);
	} else {
		check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s", err.text);
		cm_check_remedy(check, "restart Postfix, which binds addresses when it starts; or "
				       "set disable_ipv6 = true, and remove the AAAA record");
	}
	cm_dialogue_close(&dialogue);
}

static void examine_zone(const struct cm_doctor *doctor, struct cm_zone *zone,
			 const struct cm_servers *servers, struct cm_checks *checks)
{
	struct cm_dns_findings findings = {0};
	struct cm_error err;

	if (cm_verify(servers, zone, &findings, &err))
		add_findings(doctor, &findings, checks);
	cm_dns_findings_free(&findings);
	if (zone->addresses[0] == NULL) {
		struct cm_check *check =
		    cm_checks_add(checks, "addresses", "addresses", CM_HEALTH_WARNING,
				  "this machine has no public address");
		cm_check_remedy(check, "if a router forwards the ports: --address IP");
	}
	for (char *const *one = zone->addresses; *one != NULL; one++)
		examine_reverse(servers, zone, *one, checks);
	examine_ipv6(doctor, zone, checks);
}

/* The zone for the host in the domain's MX record, if that is this relay. */
static bool find_zone(const struct cm_doctor *doctor, struct cm_zone *zone,
		      struct cm_servers *servers, struct cm_error *err)
{
	struct cm_zone_facts facts = {NULL, doctor->addresses, doctor->config->dkim_keys_dir, NULL};
	bool good;
	char *host;

	if (!cm_zone_make(doctor->config, &facts, zone, err) ||
	    !cm_servers_find(servers, zone->domain, "", doctor->config->resolver, err))
		return false;
	host = cm_verify_find_host(servers, zone->domain, zone->addresses);
	if (host == NULL)
		return true;
	cm_zone_free(zone);
	facts.host = host;
	good = cm_zone_make(doctor->config, &facts, zone, err);
	free(host);
	return good;
}

void cm_examine_dns(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct cm_servers servers = {.local = NULL};
	struct cm_zone zone = {0};
	struct cm_check *check;
	struct cm_error err;

	if (doctor->config->mail_domain_is_ip) {
		cm_checks_add(checks, "dns", "DNS", CM_HEALTH_OFF,
			      "a relay without a name needs no records");
		return;
	}
	if (find_zone(doctor, &zone, &servers, &err)) {
		examine_zone(doctor, &zone, &servers, checks);
	} else {
		check =
		    cm_checks_add(checks, "dns-dkim", "DKIM key", CM_HEALTH_FAULT, "%s", err.text);
		cm_check_remedy(check,
				"restore the key from a backup; or openssl genrsa -out "
				"%s/%s.private 2048, publish the record that chatmailctl dns "
				"prints, and restart chatmail-milter",
				doctor->config->dkim_keys_dir, doctor->config->dkim_selector);
	}
	cm_servers_free(&servers);
	cm_zone_free(&zone);
}
