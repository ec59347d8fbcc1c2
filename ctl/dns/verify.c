#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "judge_record.h"

const char *const cm_dns_state_names[] = {
    [CM_RIGHT] = "ok",    [CM_MISSING] = "missing", [CM_WRONG] = "wrong",
    [CM_STALE] = "stale", [CM_UNKNOWN] = "unknown",
};

/* --- Servers -------------------------------------------------------------------------------- */

static bool add_server(struct cm_servers *servers, const char *name, const char *address,
		       struct cm_error *err)
{
	struct cm_server *server = &servers->list[servers->count];

	if (servers->count == CM_VERIFY_SERVERS_MAX)
		return true;
	server->query = cm_query_new(address, err);
	server->name = strdup(name);
	if (server->query == NULL || server->name == NULL) {
		cm_query_free(&server->query);
		free(server->name);
		return false;
	}
	servers->count++;
	return true;
}

static bool add_named_server(struct cm_servers *servers, const char *name, struct cm_error *err)
{
	static const enum cm_record_type types[] = {CM_RECORD_A, CM_RECORD_AAAA};
	bool good = true, found = false;

	for (size_t i = 0; good && !found && i < sizeof(types) / sizeof(types[0]); i++) {
		struct cm_answer answer;

		cm_query_ask(servers->local, name, types[i], &answer);
		found = answer.count > 0;
		good = !found || add_server(servers, name, answer.values[0], err);
		cm_answer_free(&answer);
	}
	return good;
}

bool cm_servers_find(struct cm_servers *servers_r, const char *domain, const char *server,
		     const char *resolver, struct cm_error *err)
{
	bool good = true, found = false;

	*servers_r = (struct cm_servers){.local = cm_query_new(resolver, err)};
	if (servers_r->local == NULL)
		return false;
	if (server[0] != '\0')
		return add_server(servers_r, server, server, err);
	/* The zone begins where the first NS records are. */
	for (const char *zone = domain; good && !found && zone != NULL && *zone != '\0';) {
		struct cm_answer answer;

		cm_query_ask(servers_r->local, zone, CM_RECORD_NS, &answer);
		found = answer.count > 0;
		for (size_t i = 0; good && i < answer.count; i++)
			good = add_named_server(servers_r, answer.values[i], err);
		cm_answer_free(&answer);
		zone = strchr(zone, '.');
		zone = zone != NULL ? zone + 1 : NULL;
	}
	return good;
}

void cm_servers_free(struct cm_servers *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		cm_query_free(&servers->list[i].query);
		free(servers->list[i].name);
	}
	cm_query_free(&servers->local);
	servers->count = 0;
}

static struct cm_query *first_server(const struct cm_servers *servers)
{
	return servers->count > 0 ? servers->list[0].query : servers->local;
}

static bool is_at(struct cm_query *query, const char *host, char *const *addresses)
{
	static const enum cm_record_type types[] = {CM_RECORD_A, CM_RECORD_AAAA};
	bool found = addresses[0] == NULL;

	for (size_t i = 0; !found && i < sizeof(types) / sizeof(types[0]); i++) {
		struct cm_answer answer;

		cm_query_ask(query, host, types[i], &answer);
		for (size_t a = 0; a < answer.count; a++)
			for (char *const *one = addresses; *one != NULL; one++)
				found = found || strcmp(*one, answer.values[a]) == 0;
		cm_answer_free(&answer);
	}
	return found;
}

char *cm_verify_find_host(const struct cm_servers *servers, const char *domain,
			  char *const *addresses)
{
	struct cm_query *query = first_server(servers);
	struct cm_answer answer;
	char *host = NULL;

	cm_query_ask(query, domain, CM_RECORD_MX, &answer);
	if (answer.count == 1) {
		const char *name = strchr(answer.values[0], ' ') + 1;
		size_t length = strlen(name);

		if (length > 1 &&
		    (strlen(domain) != length - 1 || strncmp(name, domain, length - 1) != 0))
			host = strndup(name, length - 1);
		/* The host may be in another zone than the one of these servers. */
		if (host != NULL && !is_at(query, host, addresses) &&
		    !is_at(servers->local, host, addresses)) {
			free(host);
			host = NULL;
		}
	}
	cm_answer_free(&answer);
	return host;
}

/* --- Records -------------------------------------------------------------------------------- */

static struct cm_dns_finding *add(struct cm_dns_findings *findings)
{
	if (findings->count == findings->room) {
		size_t room = findings->room == 0 ? 32 : findings->room * 2;
		struct cm_dns_finding *list = realloc(findings->list, room * sizeof(*list));

		if (list == NULL)
			return NULL;
		findings->list = list;
		findings->room = room;
	}
	findings->list[findings->count] = (struct cm_dns_finding){0};
	return &findings->list[findings->count++];
}

/* An alias may be replaced by addresses. */
static bool same_addresses(struct cm_query *query, const struct cm_zone *zone, const char *name)
{
	struct cm_answer answer;
	bool same;

	cm_query_ask(query, name, CM_RECORD_A, &answer);
	same = answer.count > 0;
	for (size_t i = 0; same && zone->addresses[0] != NULL && i < answer.count; i++) {
		bool ours = false;

		for (char *const *one = zone->addresses; !ours && *one != NULL; one++)
			ours = strcmp(*one, answer.values[i]) == 0;
		same = ours;
	}
	cm_answer_free(&answer);
	return same;
}

static enum cm_dns_state ask(struct cm_query *query, const struct cm_zone *zone,
			     const struct cm_record *record, struct cm_answer *answer_r,
			     const char **why_r)
{
	enum cm_dns_state state;

	cm_query_ask(query, record->name, record->type, answer_r);
	state = cm_judge_record(zone, record, answer_r, why_r);
	if (record->purpose == CM_FOR_NAME && state == CM_MISSING &&
	    same_addresses(query, zone, record->name))
		state = CM_RIGHT;
	return state;
}

/* Web forms append the domain, so a full name may contain it twice. */
static bool doubled(struct cm_query *query, const struct cm_zone *zone,
		    const struct cm_record *record)
{
	struct cm_record twice = *record;
	struct cm_answer answer;
	const char *why;
	bool found;

	twice.name = cm_format("%s.%s", record->name, zone->domain);
	if (twice.name == NULL)
		return false;
	found = ask(query, zone, &twice, &answer, &why) == CM_RIGHT && answer.count > 0;
	cm_answer_free(&answer);
	free(twice.name);
	return found;
}

static char *remedy(const struct cm_zone *zone, const struct cm_record *record,
		    enum cm_dns_state state, const char *why, struct cm_query *query,
		    const char *server)
{
	char *line = cm_record_line(record), *text = NULL;

	if (line == NULL || state == CM_RIGHT) {
		free(line);
		return NULL;
	}
	if (state == CM_UNKNOWN)
		text =
		    cm_format("%s does not reply: is it running, and reachable from here?", server);
	else if (state == CM_MISSING && doubled(query, zone, record))
		text = cm_format("it is at %s.%s: remove the domain from its name", record->name,
				 zone->domain);
	else if (state == CM_MISSING)
		text = cm_format("add: %s", line);
	else
		text = cm_format("%s: the only one should be: %s",
				 why != NULL ? why : "not as expected", line);
	free(line);
	return text;
}

/* Checks the local resolver's replies when the authoritative servers are right. */
static void look_for_stale(const struct cm_servers *servers, const struct cm_zone *zone,
			   const struct cm_record *record, struct cm_dns_finding *finding)
{
	struct cm_answer answer;
	const char *why;
	enum cm_dns_state state = ask(servers->local, zone, record, &answer, &why);

	if (state == CM_MISSING || state == CM_WRONG) {
		free(finding->found);
		finding->state = CM_STALE;
		finding->found = cm_answer_text(&answer);
		finding->fix = cm_format(
		    "the resolver here still has the old reply: wait up to %d seconds", answer.ttl);
	} else if (state == CM_UNKNOWN) {
		free(finding->found);
		finding->state = CM_UNKNOWN;
		finding->found = cm_answer_text(&answer);
		finding->fix = strdup("the resolver here does not reply: check resolver in "
				      "chatmail.ini, or /etc/resolv.conf");
	}
	cm_answer_free(&answer);
}

static bool check(const struct cm_servers *servers, const struct cm_zone *zone,
		  const struct cm_record *record, struct cm_dns_findings *findings)
{
	struct cm_dns_finding *finding = add(findings);
	size_t count = servers->count > 0 ? servers->count : 1, wrong = 0, reachable = 0;

	if (finding == NULL)
		return false;
	finding->needed = record->needed;
	finding->type = record->type;
	finding->name = strdup(record->name);
	for (size_t i = 0; i < count; i++) {
		struct cm_query *query =
		    servers->count > 0 ? servers->list[i].query : servers->local;
		const char *server = servers->count > 0 ? servers->list[i].name : "the resolver";
		struct cm_answer answer;
		const char *why;
		enum cm_dns_state state = ask(query, zone, record, &answer, &why);

		reachable += state != CM_UNKNOWN;
		wrong += state != CM_RIGHT;
		/* Reports the worst finding; one silent server of several counts as a finding. */
		if (i == 0 || (finding->state == CM_RIGHT && state != CM_RIGHT)) {
			free(finding->found);
			free(finding->fix);
			finding->state = state;
			finding->found = cm_answer_text(&answer);
			finding->fix = remedy(zone, record, state, why, query, server);
		}
		cm_answer_free(&answer);
	}
	if (finding->state != CM_RIGHT && reachable > 1 && wrong < count) {
		free(finding->fix);
		finding->state = CM_STALE;
		finding->fix = strdup("the domain's name servers do not agree: wait for the "
				      "transfer, or check why it fails");
	} else if (finding->state == CM_RIGHT && servers->count > 0) {
		look_for_stale(servers, zone, record, finding);
	}
	return finding->name != NULL;
}

/* Foreign addresses: clients and peers may try them first, and have to wait. */
static bool check_surplus(const struct cm_servers *servers, const struct cm_zone *zone,
			  const char *name, enum cm_record_type type,
			  struct cm_dns_findings *findings)
{
	struct cm_dns_finding *finding;
	struct cm_answer answer;
	bool expected = false, good = true;

	for (size_t i = 0; i < zone->count; i++)
		expected = expected ||
			   (zone->list[i].type == type && strcmp(zone->list[i].name, name) == 0);
	if (expected || (zone->addresses[0] == NULL && !(zone->no_ipv6 && type == CM_RECORD_AAAA)))
		return true;
	cm_query_ask(first_server(servers), name, type, &answer);
	if (answer.count > 0) {
		finding = add(findings);
		good = finding != NULL;
		if (good)
			*finding = (struct cm_dns_finding){
			    CM_WRONG,
			    true,
			    type,
			    strdup(name),
			    cm_answer_text(&answer),
			    strdup("the relay has no such address: remove it")};
	}
	cm_answer_free(&answer);
	return good;
}

/* Behind a router that translates addresses the relay does not know its own: there must be
   one. */
static bool check_existence(const struct cm_servers *servers, const struct cm_zone *zone,
			    const char *name, struct cm_dns_findings *findings)
{
	struct cm_dns_finding *finding = add(findings);
	struct cm_answer answer;

	(void)zone;
	if (finding == NULL)
		return false;
	cm_query_ask(first_server(servers), name, CM_RECORD_A, &answer);
	*finding = (struct cm_dns_finding){
	    .state = answer.status == CM_ANSWER_FOUND    ? CM_RIGHT
		     : answer.status == CM_ANSWER_ABSENT ? CM_MISSING
							 : CM_UNKNOWN,
	    .needed = true,
	    .type = CM_RECORD_A,
	    .name = strdup(name),
	    .found = cm_answer_text(&answer),
	};
	if (finding->state == CM_MISSING)
		finding->fix = cm_format("add: %s. 3600 IN A and the relay's public address", name);
	else if (finding->state == CM_UNKNOWN)
		finding->fix = strdup("no name server replies");
	cm_answer_free(&answer);
	return true;
}

static bool check_addresses(const struct cm_servers *servers, const struct cm_zone *zone,
			    const char *name, struct cm_dns_findings *findings)
{
	return (zone->addresses[0] != NULL || check_existence(servers, zone, name, findings)) &&
	       check_surplus(servers, zone, name, CM_RECORD_A, findings) &&
	       check_surplus(servers, zone, name, CM_RECORD_AAAA, findings);
}

static bool asked_already(const struct cm_zone *zone, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (zone->list[i].purpose == zone->list[index].purpose &&
		    zone->list[i].type == zone->list[index].type &&
		    strcmp(zone->list[i].name, zone->list[index].name) == 0)
			return true;
	return false;
}

bool cm_verify(const struct cm_servers *servers, const struct cm_zone *zone,
	       struct cm_dns_findings *findings_r, struct cm_error *err)
{
	bool good;

	*findings_r = (struct cm_dns_findings){0};
	good = check_addresses(servers, zone, zone->domain, findings_r) &&
	       (strcmp(zone->domain, zone->host) == 0 ||
		check_addresses(servers, zone, zone->host, findings_r));
	for (size_t i = 0; good && i < zone->count; i++)
		if (!asked_already(zone, i))
			good = check(servers, zone, &zone->list[i], findings_r);
	if (!good)
		cm_error_set(err, "out of memory");
	return good;
}

void cm_dns_findings_free(struct cm_dns_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->list[i].name);
		free(findings->list[i].found);
		free(findings->list[i].fix);
	}
	free(findings->list);
	*findings = (struct cm_dns_findings){0};
}
