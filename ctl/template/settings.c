#include "settings.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends.h"
#include "config_value.h"
#include "distribution.h"
#include "format.h"
#include "memory.h"
#include "utf8.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* The form of a site's setting. */
enum shape {
	PORT,
	COUNT,
	PATH,
	MAYBE_PATH,
	ADDRESSES, /* IP addresses separated by commas, or nothing */
	NEXT_HOP,  /* [HOST]:PORT, HOST, or nothing */
	URL,
	LOG, /* a path, or off */
	WORD,
	DURATION,
};

/* Clients that are active at the same time on the smallest machine. */
#define IMAP_PROCESSES_MIN 60

/* The number for a machine with 2 GB of memory. */
#define IMAP_PROCESSES_PLENTY 300

/* Settings that a machine or a test may override; none of them affects the policy. */
static const struct site {
	const char *name;
	enum shape shape;
	const char *default_text, *note;
} site[] = {
    {"listen", ADDRESSES, "", "addresses that every server binds; empty: all"},
    {"smtp_port", PORT, "25", "mail from other relays"},
    {"submission_port", PORT, "587", "mail from clients, STARTTLS"},
    {"smtps_port", PORT, "465", "mail from clients, TLS"},
    {"imap_port", PORT, "143", "IMAP, STARTTLS"},
    {"imaps_port", PORT, "993", "IMAP, TLS"},
    {"http_port", PORT, "80", "HTTP: redirects and ACME"},
    {"https_port", PORT, "443", "HTTPS, and IMAP and SMTP by ALPN"},
    {"https_proxy_port", PORT, "8443", "HTTPS with the PROXY protocol"},
    {"imaps_proxy_port", PORT, "10993", "IMAP over TLS with the PROXY protocol"},
    {"smtps_proxy_port", PORT, "10465", "submission over TLS with the PROXY protocol"},
    {"turn_min_port", PORT, "49152", "first UDP port for the calls that coturn relays"},
    {"turn_max_port", PORT, "65535", "last UDP port for the calls that coturn relays"},
    {"turn_total_quota", COUNT, "1200",
     "addresses that coturn allocates for calls at the same time"},
    {"turn_external_ip", ADDRESSES, "", "coturn's public addresses, if a router translates them"},
    {"smtp_proxy_port", PORT, "10026", "mail from other relays with the PROXY protocol"},
    {"submission_proxy_port", PORT, "10587", "submission with the PROXY protocol, STARTTLS"},
    {"imap_proxy_port", PORT, "10143", "IMAP with the PROXY protocol, STARTTLS"},
    {"iroh_port", PORT, "3340", "iroh-relay, on 127.0.0.1"},
    {"web_url", URL, "", "the relay's address for browsers; empty: https:// and its name"},
    {"www_root", PATH, "/var/lib/chatmail/www", "the pages"},
    {"acme_webroot", PATH, "/var/lib/chatmail/acme",
     "directory for the files of ACME clients on port 80"},
    {"nginx_user", WORD, "www-data", "user of nginx"},
    {"nginx_error_log", LOG, "/var/log/nginx/error.log", "nginx's error log"},
    {"nginx_access_log", LOG, "/var/log/nginx/access.log", "nginx's access log, or off"},
    {"relayhost", NEXT_HOP, "", "Postfix's relayhost; empty: each domain's MX"},
    {"smtp_tls_security_level", WORD, "verify", "TLS security level towards other relays"},
    {"opendkim_conf", PATH, "", "OpenDKIM's configuration file"},
    {"dovecot_log", MAYBE_PATH, "", "Dovecot's log file; empty: syslog"},
    {"postfix_log", MAYBE_PATH, "", "Postfix's log file; empty: syslog"},
    {"imap_hibernate_timeout", DURATION, "", "idle time after which an IMAP session hibernates"},
    {"login_failure_delay", DURATION, "2s", "delay of the reply to a refused login"},
    {"expire_program", PATH, CM_BIN_DIR "/chatmail-expire",
     "program that trims a mailbox that is nearly full"},
};

#define SITE_COUNT (sizeof(site) / sizeof(site[0]))

enum derived {
	POSTFIX_HOSTNAME,
	MAIL_DOMAIN_IS_IP,
	OPENDKIM,
	COMPRESSES_MAIL,
	MAX_MESSAGE_BYTES,
	QUOTA_TARGET_MB,
	SMTP_CONNECTIONS,
	SMTP_CONNECTIONS_PER_CLIENT,
	LMTP_DELIVERIES,
	DOVECOT_CLIENT_LIMIT,
	IMAP_PROCESSES,
	TLS_CERTIFICATE,
	TLS_KEY,
	TLS_SELF_SIGNED,
	FRONT_ADDRESS,
	LOGIN_LINKS,
	IROH_RELAY_LOCAL,
	TRANSPORT_MAP,
	MAIL_DOMAIN_REGEXP,
	MAIL_HOST,
	SECURITY_EXPIRES,
	IS_FRONT,
	TRUSTED_FRONTS,
	DERIVED_COUNT,
};

static const char *const derived_names[DERIVED_COUNT] = {
    [POSTFIX_HOSTNAME] = "postfix_hostname",
    [MAIL_DOMAIN_IS_IP] = "mail_domain_is_ip",
    [OPENDKIM] = "opendkim",
    [COMPRESSES_MAIL] = "compresses_mail",
    [MAX_MESSAGE_BYTES] = "max_message_bytes",
    [QUOTA_TARGET_MB] = "quota_target_mb",
    [SMTP_CONNECTIONS] = "smtp_connections",
    [SMTP_CONNECTIONS_PER_CLIENT] = "smtp_connections_per_client",
    [LMTP_DELIVERIES] = "lmtp_deliveries",
    [DOVECOT_CLIENT_LIMIT] = "dovecot_client_limit",
    [IMAP_PROCESSES] = "imap_processes",
    [TLS_CERTIFICATE] = "tls_certificate",
    [TLS_KEY] = "tls_key",
    [TLS_SELF_SIGNED] = "tls_self_signed",
    [FRONT_ADDRESS] = "front_address",
    [LOGIN_LINKS] = "login_links",
    [IROH_RELAY_LOCAL] = "iroh_relay_local",
    [TRANSPORT_MAP] = "transport_map",
    [MAIL_DOMAIN_REGEXP] = "mail_domain_regexp",
    [MAIL_HOST] = "mail_host",
    [SECURITY_EXPIRES] = "security_expires",
    [IS_FRONT] = "is_front",
    [TRUSTED_FRONTS] = "trusted_fronts",
};

struct cm_settings {
	char *site[SITE_COUNT];
	char *derived[DERIVED_COUNT];
	char **keys; /* as cm_config_keys() */
};

static bool fill_keys(struct cm_settings *settings, const struct cm_config *config);
static bool fill_derived(struct cm_settings *settings, const struct cm_config *config,
			 const char *root);
static char *postfix_hostname(const struct cm_config *config);
static char *web_url(const struct cm_config *config);
static char *imap_hibernate_timeout(void);
static char *security_expires(void);
static char *quota_target(const struct cm_config *config);
static char *regexp_of(const char *text);
struct cm_settings *cm_settings_init(const struct cm_config *config, const char *root,
				     struct cm_error *err)
{
	struct cm_settings *settings = calloc(1, sizeof(*settings));
	bool good = settings != NULL;

	for (size_t i = 0; good && i < SITE_COUNT; i++) {
		if (strcmp(site[i].name, "opendkim_conf") == 0)
			settings->site[i] = cm_distribution_opendkim_conf(root);
		else if (strcmp(site[i].name, "web_url") == 0)
			settings->site[i] = web_url(config);
		else if (strcmp(site[i].name, "imap_hibernate_timeout") == 0)
			settings->site[i] = imap_hibernate_timeout();
		else
			settings->site[i] = strdup(site[i].default_text);
		good = settings->site[i] != NULL;
	}
	if (!good || !fill_keys(settings, config) || !fill_derived(settings, config, root)) {
		cm_error_set(err, "out of memory");
		cm_settings_deinit(&settings);
	}
	return settings;
}

void cm_settings_deinit(struct cm_settings **settings_p)
{
	struct cm_settings *settings = *settings_p;

	*settings_p = NULL;
	if (settings == NULL)
		return;
	for (size_t i = 0; i < SITE_COUNT; i++)
		free(settings->site[i]);
	for (size_t i = 0; i < DERIVED_COUNT; i++)
		free(settings->derived[i]);
	for (char **key = settings->keys; key != NULL && *key != NULL; key++)
		free(*key);
	free(settings->keys);
	free(settings);
}

static bool only(const char *text, const char *bytes)
{
	return text[0] != '\0' && text[strspn(text, bytes)] == '\0';
}

static bool are_addresses(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, ",");

		if (!cm_value_is_ip(text, length))
			return false;
		text += length;
		text += strspn(text, ",");
	}
	return true;
}

static bool is_duration(const char *text)
{
	size_t digits = strspn(text, DIGITS);

	return digits > 0 && digits < 8 && text[digits + strspn(text + digits, LETTERS)] == '\0';
}

/* NULL if the value has the right form, otherwise a description of the form. */
static const char *wrong(enum shape shape, const char *value)
{
	unsigned int number;

	switch (shape) {
	case PORT:
	case COUNT:
		return cm_value_read_number(value, 1, 65535, &number) ? NULL
								      : "a number from 1 to 65535";
	case MAYBE_PATH:
	case PATH:
		return (value[0] == '\0' && shape == MAYBE_PATH) || cm_value_is_path(value)
			   ? NULL
			   : CM_VALUE_PATH;
	case ADDRESSES:
		return are_addresses(value) ? NULL : "IP addresses, separated by commas";
	case NEXT_HOP:
		return value[0] == '\0' || only(value, LETTERS DIGITS ".-_[]:") ? NULL
										: "[HOST]:PORT";
	case URL:
		return cm_value_is_url(value, "https://") && cm_value_is_plain(value)
			   ? NULL
			   : "an https:// URL";
	case LOG:
		return strcmp(value, "off") == 0 || cm_value_is_path(value) ? NULL : CM_VALUE_PATH;
	case WORD:
		return only(value, LETTERS DIGITS ".-_") ? NULL : "one word";
	case DURATION:
		return is_duration(value) ? NULL : "a time like 30s";
	}
	return NULL;
}

bool cm_settings_override(struct cm_settings *settings, const char *assignment,
			  struct cm_error *err)
{
	size_t length = strcspn(assignment, "=");
	const char *expected;
	char *value;

	if (assignment[length] != '=' || strpbrk(assignment, "\r\n") != NULL) {
		cm_error_set(err, "not of the form name=value: %s", assignment);
		return false;
	}
	for (size_t i = 0; i < SITE_COUNT; i++) {
		if (strlen(site[i].name) != length ||
		    strncmp(site[i].name, assignment, length) != 0)
			continue;
		expected = cm_utf8_printable(assignment + length + 1)
			       ? wrong(site[i].shape, assignment + length + 1)
			       : "UTF-8 without control characters";
		if (expected != NULL) {
			cm_error_set(err, "%s: this must be %s", assignment, expected);
			return false;
		}
		value = strdup(assignment + length + 1);
		if (value == NULL) {
			cm_error_set(err, "out of memory");
			return false;
		}
		free(settings->site[i]);
		settings->site[i] = value;
		return true;
	}
	cm_error_set(err, "unknown setting %.*s", (int)length, assignment);
	return false;
}

const char *cm_settings_get(const struct cm_settings *settings, const char *name)
{
	const struct cm_config_key *keys = cm_config_keys();

	for (size_t i = 0; i < SITE_COUNT; i++)
		if (strcmp(site[i].name, name) == 0)
			return settings->site[i];
	for (size_t i = 0; i < DERIVED_COUNT; i++)
		if (strcmp(derived_names[i], name) == 0)
			return settings->derived[i];
	for (size_t i = 0; keys[i].name != NULL; i++)
		if (strcmp(keys[i].name, name) == 0)
			return settings->keys[i];
	return NULL;
}

bool cm_settings_is_derived(const char *name)
{
	for (size_t i = 0; i < DERIVED_COUNT; i++)
		if (strcmp(derived_names[i], name) == 0)
			return true;
	return false;
}

void cm_settings_each(const struct cm_settings *settings, cm_settings_visit_fn *visit,
		      void *context)
{
	const struct cm_config_key *keys = cm_config_keys();

	for (size_t i = 0; keys[i].name != NULL; i++)
		visit(keys[i].name, settings->keys[i], "chatmail.ini", context);
	for (size_t i = 0; i < DERIVED_COUNT; i++)
		visit(derived_names[i], settings->derived[i], "derived from chatmail.ini", context);
	for (size_t i = 0; i < SITE_COUNT; i++)
		visit(site[i].name, settings->site[i], site[i].note, context);
}

static bool fill_keys(struct cm_settings *settings, const struct cm_config *config)
{
	const struct cm_config_key *keys = cm_config_keys();
	size_t count = 0;

	while (keys[count].name != NULL)
		count++;
	settings->keys = calloc(count + 1, sizeof(*settings->keys));
	if (settings->keys == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((settings->keys[i] = cm_config_get(config, keys[i].name)) == NULL)
			return false;
	return true;
}

/* True if OpenDKIM's daemon signs outgoing mail. */
static bool opendkim_signs(const struct cm_config *config)
{
	return config->dkim_signing == CM_DKIM_SIGNING_OPENDKIM && !config->mail_domain_is_ip;
}

/* An imap process needs up to 2.2 MB of its own, and two thirds of the memory are reserved for the
   kernel and other processes, so that the kernel never kills one of them, or the login process that
   serves hundreds of clients. */
static uint64_t imap_processes_that_fit(void)
{
	uint64_t fit = cm_memory_total() / (6 * 1024 * 1024);

	return fit < IMAP_PROCESSES_MIN ? IMAP_PROCESSES_MIN : fit;
}

static char *imap_processes(const struct cm_config *config)
{
	uint64_t fit = imap_processes_that_fit();

	return cm_format("%" PRIu64,
			 fit < config->max_imap_connections ? fit : config->max_imap_connections);
}

/* The number of messages that Postfix delivers to Dovecot at a time: more than a few for each
   processor only wait for each other, and all arrive later. 20 is Postfix's own limit. */
static char *lmtp_deliveries(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	return cm_format("%ld", processors < 1 ? 4 : processors > 5 ? 20 : 4 * processors);
}

/* Postfix asks chatmail-transport about every recipient on other relays. */
static bool has_transport_map(const struct cm_config *config)
{
	return config->outbound != CM_OUTBOUND_SMTP || config->federation != CM_FEDERATION_OPEN ||
	       config->federation_deny_file[0] != '\0';
}

/* If only few processes fit, the next client needs them when many clients connect at once. */
static char *imap_hibernate_timeout(void)
{
	return cm_format("%s", imap_processes_that_fit() < IMAP_PROCESSES_PLENTY ? "5s" : "30s");
}

static bool fill_derived(struct cm_settings *settings, const struct cm_config *config,
			 const char *root)
{
	char **derived = settings->derived;
	unsigned int smtp_connections = cm_distribution_smtp_connections(root, config);

	derived[POSTFIX_HOSTNAME] = postfix_hostname(config);
	derived[MAIL_DOMAIN_IS_IP] = cm_format("%s", config->mail_domain_is_ip ? "true" : "false");
	derived[OPENDKIM] = cm_format("%s", opendkim_signs(config) ? "true" : "false");
	derived[COMPRESSES_MAIL] =
	    cm_format("%s", config->mail_compress != CM_MAIL_COMPRESS_OFF ? "true" : "false");
	derived[MAX_MESSAGE_BYTES] = cm_format("%" PRIu64, config->max_message_size);
	derived[QUOTA_TARGET_MB] = quota_target(config);
	derived[SMTP_CONNECTIONS] = cm_format("%u", smtp_connections);
	derived[SMTP_CONNECTIONS_PER_CLIENT] = cm_format("%u", smtp_connections / 5);
	derived[LMTP_DELIVERIES] = lmtp_deliveries();
	/* Some of Dovecot's processes have a connection for each session; 20000 is upstream's
	   value. */
	derived[DOVECOT_CLIENT_LIMIT] = cm_format(
	    "%u", config->max_imap_connections > 10000 ? config->max_imap_connections * 2 : 20000);
	derived[IMAP_PROCESSES] = imap_processes(config);
	derived[TLS_CERTIFICATE] = cm_format("%s", config->tls_certificate);
	derived[TLS_KEY] = cm_format("%s", config->tls_key);
	derived[TLS_SELF_SIGNED] = cm_format("%s", config->tls_self_signed ? "true" : "false");
	/* Followed by a port. */
	derived[FRONT_ADDRESS] = cm_format(
	    strchr(config->front_listen, ':') != NULL ? "[%s]" : "%s", config->front_listen);
	derived[LOGIN_LINKS] = cm_format("%s", config->login_links ? "true" : "false");
	derived[IROH_RELAY_LOCAL] = cm_format("%s", config->iroh_relay_local ? "true" : "false");
	derived[TRANSPORT_MAP] = cm_format("%s", has_transport_map(config) ? "true" : "false");
	derived[MAIL_DOMAIN_REGEXP] = regexp_of(config->mail_domain);
	derived[MAIL_HOST] = cm_format("%s", config->mail_host);
	derived[SECURITY_EXPIRES] = security_expires();
	derived[IS_FRONT] = cm_format("%s", cm_backends_used(config) ? "true" : "false");
	derived[TRUSTED_FRONTS] = cm_format("%s", config->fronts);
	for (size_t i = 0; i < DERIVED_COUNT; i++)
		if (derived[i] == NULL)
			return false;
	return true;
}

/* Postfix needs a host name, even if the relay has none: use the reverse name of its address. */
static char *postfix_hostname(const struct cm_config *config)
{
	unsigned char a[4];
	const char *host = config->mail_host;

	if (!config->mail_domain_is_ip)
		return strdup(host);
	if (inet_pton(AF_INET, host, a) != 1)
		return strdup("localhost.localdomain");
	return cm_format("%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1], a[0]);
}

static char *web_url(const struct cm_config *config)
{
	return cm_format(strchr(config->mail_host, ':') != NULL ? "https://[%s]" : "https://%s",
			 config->mail_host);
}

/* A regular expression that matches only this text, for domains and address literals. */
static char *regexp_of(const char *text)
{
	char *result = malloc(2 * strlen(text) + 1), *end = result;

	for (; result != NULL && *text != '\0'; text++) {
		if (*text == '.' || *text == '[' || *text == ']')
			*end++ = '\\';
		*end++ = *text;
	}
	if (result != NULL)
		*end = '\0';
	return result;
}

/* RFC 9116 2.5.5 recommends less than a year. The date changes only every half year. */
static char *security_expires(void)
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return NULL;
	return tm.tm_mon < 6 ? cm_format("%d-12-31T23:59:59Z", tm.tm_year + 1900)
			     : cm_format("%d-06-30T23:59:59Z", tm.tm_year + 1901);
}

/* Clients warn at 80 % and 95 %: trimming starts at 75 % and stops at 70 %. */
static char *quota_target(const struct cm_config *config)
{
	uint64_t tenths = (config->max_mailbox_size >> 20) * 7;

	if (tenths % 10 == 0)
		return cm_format("%" PRIu64, tenths / 10);
	return cm_format("%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}
