/*
 * dns - chatmailctl dns: the relay's records in the DNS, printed or checked
 *
 * SYNOPSIS
 *	chatmailctl dns [--table | --json] [options]
 *	chatmailctl dns --check [--json] [options]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config_value.h"
#include "file.h"
#include "json_print.h"
#include "options.h"
#include "settings.h"
#include "template.h"
#include "verify.h"
#include "zone.h"

#define PROGRAM "chatmailctl dns"

/* Longest template. */
#define MAX_FILE 65536

struct job {
	const char *ini, *root, *host, *server, *templates;
	const char *addresses[CM_ZONE_ADDRESSES_MAX];
	bool check, table, json;
	struct cm_config *config;
	struct cm_settings *settings;
	char *keys_dir, *policy;
	struct cm_error err;
};

static bool set_address(const struct cm_option *option, const char *text, struct cm_error *err)
{
	const char **list = option->value;

	if (!cm_value_is_ip(text, strlen(text))) {
		cm_error_set(err, "not an IP address");
		return false;
	}
	while (*list != NULL)
		list++;
	if (list == (const char **)option->value + CM_ZONE_ADDRESSES_MAX - 1) {
		cm_error_set(err, "too many addresses");
		return false;
	}
	*list = text;
	return true;
}

static bool set_host(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (cm_value_is_host(text) && !cm_value_is_ip(text, strlen(text))) {
		*(const char **)option->value = text;
		return true;
	}
	cm_error_set(err, "not a host name");
	return false;
}

static bool set_server(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (cm_value_is_resolver(text)) {
		*(const char **)option->value = text;
		return true;
	}
	cm_error_set(err, "not ADDRESS or ADDRESS@PORT");
	return false;
}

/* Returns -1 to continue, or the exit status. */
static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    {"config", 'c', "INI", "configuration file (" CM_CONFIG_DEFAULT_PATH " below DIR)",
	     cm_option_path, &job->ini, 0, 0},
	    {"root", 0, "DIR", "read below DIR instead of /", cm_option_path, &job->root, 0, 0},
	    {"check", 0, NULL, "query the DNS for missing, wrong and stale records",
	     cm_option_switch, &job->check, 0, 0},
	    {"host", 0, "NAME", "the host that receives the mail (the mail domain)", set_host,
	     &job->host, 0, 0},
	    {"address", 0, "IP", "the relay's address; may be repeated (this machine's)",
	     set_address, job->addresses, 0, 0},
	    {"server", 0, "ADDR[@PORT]", "query this authoritative server (the domain's own)",
	     set_server, &job->server, 0, 0},
	    {"table", 0, NULL, "print a table for web forms instead of a zone file",
	     cm_option_switch, &job->table, 0, 0},
	    CM_OPTION_TEMPLATES(&job->templates),
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = PROGRAM,
	    .synopsis = "[OPTION]...",
	    .summary =
		"Prints the relay's DNS records, or checks them in the DNS. With --check the exit "
		"status\nis 1 if a record is missing without which mail is lost or refused.",
	    .options = options,
	};

	return cm_options_parse(&line, argc, argv, NULL);
}

static bool below_root(struct job *job, const char *path, char **joined_r)
{
	if (asprintf(joined_r, "%s%s", job->root, path) >= 0)
		return true;
	*joined_r = NULL;
	cm_error_set(&job->err, "out of memory");
	return false;
}

static const char *setting(const char *name, void *context)
{
	return cm_settings_get(context, name);
}

/* Reads the MTA-STS policy that the web server publishes. */
static bool read_policy(struct job *job)
{
	char *path, *text = NULL;
	size_t length;

	if (asprintf(&path, "%s/www/mta-sts.txt", job->templates) < 0) {
		cm_error_set(&job->err, "out of memory");
		return false;
	}
	if (cm_file_read(AT_FDCWD, path, MAX_FILE, &text, &length))
		job->policy = cm_template_render(path, text, setting, job->settings, &job->err);
	else
		cm_error_set_errno(&job->err, "%s: cannot be read", path);
	free(text);
	free(path);
	return job->policy != NULL;
}

static bool prepare(struct job *job)
{
	char *ini = NULL;
	bool good = job->ini != NULL || below_root(job, CM_CONFIG_DEFAULT_PATH, &ini);

	if (good)
		job->config =
		    cm_command_read_config(PROGRAM, job->ini != NULL ? job->ini : ini, &job->err);
	free(ini);
	if (job->config == NULL)
		return false;
	if (job->config->mail_domain_is_ip)
		return true;
	job->settings = cm_settings_init(job->config, job->root, &job->err);
	return job->settings != NULL &&
	       below_root(job, job->config->dkim_keys_dir, &job->keys_dir) && read_policy(job);
}

static bool make_zone(struct job *job, const char *host, struct cm_zone *zone_r)
{
	const struct cm_zone_facts facts = {host, job->addresses, job->keys_dir, job->policy};

	return cm_zone_make(job->config, &facts, zone_r, &job->err);
}

static int print(struct job *job)
{
	struct cm_zone zone = {0};
	int status = CM_EXIT_TROUBLE;

	if (make_zone(job, job->host, &zone)) {
		status = CM_EXIT_OK;
		if (zone.addresses[0] == NULL)
			fputs(PROGRAM ": warning: this machine has no public address: add A and "
				      "AAAA records, or use --address\n",
			      stderr);
		if (job->json) {
			(void)cm_json_print(cm_zone_json(&zone), &job->err);
		} else if (job->table) {
			cm_zone_print_table(&zone, stdout);
		} else {
			cm_zone_print_bind(&zone, stdout);
		}
	}
	cm_zone_free(&zone);
	return status;
}

static json_t *finding_json(const struct cm_dns_finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "name", finding->name, "type",
			 cm_record_type_name(finding->type), "state",
			 cm_dns_state_names[finding->state], "needed", (int)finding->needed,
			 "found", finding->found != NULL ? finding->found : "", "fix",
			 finding->fix != NULL ? finding->fix : "");
}

/* Prints the findings; the exit status. */
static int report(const struct job *job, const struct cm_dns_findings *findings)
{
	json_t *list = job->json ? json_array() : NULL;
	int status = CM_EXIT_OK;

	for (size_t i = 0; i < findings->count; i++) {
		const struct cm_dns_finding *finding = &findings->list[i];

		if (finding->state != CM_RIGHT && finding->needed)
			status = CM_EXIT_NO;
		if (list != NULL) {
			json_array_append_new(list, finding_json(finding));
			continue;
		}
		printf("%-8s %-5s %s%s\n", cm_dns_state_names[finding->state],
		       cm_record_type_name(finding->type), finding->name,
		       finding->needed || finding->state == CM_RIGHT ? "" : " (recommended)");
		if (finding->state == CM_WRONG || finding->state == CM_STALE)
			printf("         found %s\n", finding->found);
		if (finding->fix != NULL)
			printf("         %s\n", finding->fix);
	}
	if (list != NULL)
		(void)cm_json_print(list, NULL);
	return status;
}

static int check(struct job *job)
{
	struct cm_servers servers = {.local = NULL};
	struct cm_dns_findings findings = {0};
	struct cm_zone zone = {0};
	int status = CM_EXIT_TROUBLE;
	char *host = NULL;
	bool good =
	    make_zone(job, job->host, &zone) &&
	    cm_servers_find(&servers, zone.domain, job->server, job->config->resolver, &job->err);

	if (good && job->host == NULL)
		host = cm_verify_find_host(&servers, zone.domain, zone.addresses);
	if (good && host != NULL) {
		cm_zone_free(&zone);
		good = make_zone(job, host, &zone);
	}
	if (good && servers.count == 0)
		fputs(PROGRAM ": warning: cannot find the domain's name servers: querying only the "
			      "resolver\n",
		      stderr);
	if (good && cm_verify(&servers, &zone, &findings, &job->err))
		status = report(job, &findings);
	cm_dns_findings_free(&findings);
	cm_servers_free(&servers);
	cm_zone_free(&zone);
	free(host);
	return status;
}

int cm_command_dns(int argc, char **argv)
{
	struct job job = {.root = "", .server = "", .templates = CM_TEMPLATE_DIR};
	int status = parse_options(argc, argv, &job);

	if (status >= 0)
		return status;
	status = CM_EXIT_TROUBLE;
	if (prepare(&job)) {
		if (job.config->mail_domain_is_ip) {
			status = CM_EXIT_OK;
			puts(job.json ? "[]" : "A relay without a name needs no DNS records.");
		} else {
			status = job.check ? check(&job) : print(&job);
		}
	}
	if (job.err.text[0] != '\0')
		(void)cm_command_fail(PROGRAM, &job.err);
	cm_settings_deinit(&job.settings);
	cm_config_free(&job.config);
	free(job.keys_dir);
	free(job.policy);
	return status;
}
