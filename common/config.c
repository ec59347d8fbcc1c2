/*
 * config - chatmail.ini: upstream's keys and defaults, and a few of our own
 *
 * One table says for each key where its value goes, how it is read, its default and its bounds; the
 * rest of the file is the readers of the few kinds of value and what is derived from them.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "config_value.h"
#include "ini_file.h"
#include "log.h"
#include "utf8.h"

#define SECTION "params"

/* As much of a wrong value is in the error message, in bytes. */
#define SHOWN_MAX 100

#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

enum kind {
	KIND_TEXT,
	KIND_PATH,     /* "" or absolute */
	KIND_NUMBER,   /* unsigned int */
	KIND_DAYS,     /* the same; upstream's defaults of 2023 have a "d" behind it */
	KIND_BYTES,    /* a size in bytes */
	KIND_SIZE,     /* a size like upstream's: 500M, 2G; a bare number is in megabytes */
	KIND_REAL,     /* double */
	KIND_FLAG,     /* bool */
	KIND_MODE,     /* enum cm_registration_mode, see choices[] */
	KIND_OUTBOUND, /* enum cm_outbound, see choices[] */
	KIND_SIGNING,  /* enum cm_dkim_signing, see choices[] */
	KIND_WORD,     /* letters, digits and dashes */
	KIND_URL,      /* https only */
	KIND_IROH,     /* "" or a URL, http too */
	KIND_HOST,     /* "", a domain name, or an IP address without brackets */
	KIND_LISTEN,   /* HOST:PORT */
	KIND_WEB,      /* "", HOST:PORT, or unix: and an absolute path */
	KIND_RESOLVER, /* ADDR[@PORT] */
	KIND_DOMAIN,   /* the mail domain */
	KIND_TLS,      /* two paths */
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* into struct cm_config; unused by KIND_TLS */
	const char *default_text;
	unsigned int min, max; /* of KIND_NUMBER; min also of sizes, in their unit */
};

#define FIELD(name) offsetof(struct cm_config, name)

static const struct key keys[] = {
    {"mail_domain", KIND_DOMAIN, FIELD(mail_domain), NULL, 0, 0},
    {"max_user_send_per_minute", KIND_NUMBER, FIELD(max_user_send_per_minute), "60", 1, 1000000},
    {"max_user_send_burst_size", KIND_NUMBER, FIELD(max_user_send_burst_size), "10", 1, 1000000},
    {"max_mailbox_size", KIND_SIZE, FIELD(max_mailbox_size), "500M", 1, 0},
    {"max_message_size", KIND_BYTES, FIELD(max_message_size), "31457280", 1, 0},
    {"delete_mails_after", KIND_DAYS, FIELD(delete_mails_after), "20", 1, 36500},
    {"delete_large_after", KIND_DAYS, FIELD(delete_large_after), "7", 1, 36500},
    {"delete_inactive_users_after", KIND_DAYS, FIELD(delete_inactive_users_after), "90", 1, 36500},
    {"username_min_length", KIND_NUMBER, FIELD(username_min_length), "9", 1, CM_ADDRESS_LOCAL_MAX},
    {"username_max_length", KIND_NUMBER, FIELD(username_max_length), "9", 1, CM_ADDRESS_LOCAL_MAX},
    {"password_min_length", KIND_NUMBER, FIELD(password_min_length), "9", 1, 1000},
    {"max_load_1m", KIND_REAL, FIELD(max_load_1m), "5", 0, 0},
    {"min_available_memory", KIND_SIZE, FIELD(min_available_memory), "200M", 0, 0},
    {"min_free_disk_space", KIND_SIZE, FIELD(min_free_disk_space), "1G", 0, 0},
    {"max_imap_connections", KIND_NUMBER, FIELD(max_imap_connections), "10000", 1, 1000000},
    {"max_smtp_connections", KIND_NUMBER, FIELD(max_smtp_connections), "1000", 5, 1000000},
    {"tls_external_cert_and_key", KIND_TLS, 0, "", 0, 0},
    {"www_folder", KIND_TEXT, FIELD(www_folder), "", 0, 0},
    {"disable_ipv6", KIND_FLAG, FIELD(disable_ipv6), "false", 0, 0},
    {"acme_email", KIND_TEXT, FIELD(acme_email), "", 0, 0},
    {"iroh_relay", KIND_IROH, FIELD(iroh_relay), NULL, 0, 0},
    {"mtail_address", KIND_HOST, FIELD(mtail_address), "", 0, 0},
    {"imap_rawlog", KIND_FLAG, FIELD(imap_rawlog), "false", 0, 0},
    {"imap_compress", KIND_FLAG, FIELD(imap_compress), "false", 0, 0},
    {"turn_socket_path", KIND_PATH, FIELD(turn_socket_path), "/run/chatmail-turn/turn.socket", 0,
     0},
    {"privacy_postal", KIND_TEXT, FIELD(privacy_postal), "", 0, 0},
    {"privacy_mail", KIND_TEXT, FIELD(privacy_mail), "", 0, 0},
    {"privacy_pdo", KIND_TEXT, FIELD(privacy_pdo), "", 0, 0},
    {"privacy_supervisor", KIND_TEXT, FIELD(privacy_supervisor), "", 0, 0},
    {"mailboxes_dir", KIND_PATH, FIELD(mailboxes_dir), NULL, 0, 0},
    /* our own */
    {"registration", KIND_MODE, FIELD(registration), "open", 0, 0},
    {"automatic_accounts", KIND_FLAG, FIELD(automatic_accounts), "true", 0, 0},
    {"max_new_accounts_per_ip_per_hour", KIND_NUMBER, FIELD(max_new_accounts_per_ip_per_hour), "60",
     0, 1000000},
    {"max_new_accounts_per_minute", KIND_NUMBER, FIELD(max_new_accounts_per_minute), "600", 0,
     1000000},
    {"maxsmtprecipients", KIND_NUMBER, FIELD(max_recipients), "1000", 1, 100000},
    {"notify_url", KIND_URL, FIELD(notify_url), "https://notifications.delta.chat/notify", 0, 0},
    {"turn_secret_file", KIND_PATH, FIELD(turn_secret_file), "", 0, 0},
    {"turn_host", KIND_HOST, FIELD(turn_host), NULL, 0, 0},
    {"metrics_listen", KIND_LISTEN, FIELD(metrics_listen), "", 0, 0},
    {"web_listen", KIND_WEB, FIELD(web_listen), "unix:/run/chatmail-web/http.sock", 0, 0},
    {"instant_idle", KIND_FLAG, FIELD(instant_idle), "true", 0, 0},
    {"log_addresses", KIND_FLAG, FIELD(log_addresses), "false", 0, 0},
    {"blocked_senders_file", KIND_PATH, FIELD(blocked_senders_file), "", 0, 0},
    {"resolver", KIND_RESOLVER, FIELD(resolver), "", 0, 0},
    {"outbound", KIND_OUTBOUND, FIELD(outbound), "smtp", 0, 0},
    {"dkim_signing", KIND_SIGNING, FIELD(dkim_signing), "milter", 0, 0},
    {"dkim_selector", KIND_WORD, FIELD(dkim_selector), "opendkim", 0, 0},
    {"dkim_keys_dir", KIND_PATH, FIELD(dkim_keys_dir), "/etc/dkimkeys", 0, 0},
    {"run_dir", KIND_PATH, FIELD(run_dir), CM_RUN_DIR, 0, 0},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* The values of the kinds that are one word of a few, in the order of their enum. */
static const struct choice {
	enum kind kind;
	const char *names[4];
	const char *expected; /* for the error message */
} choices[] = {
    {KIND_MODE, {"open", "invite", "closed"}, "open, invite or closed"},
    {KIND_OUTBOUND, {"auto", "smtp", "https"}, "auto, smtp or https"},
    {KIND_SIGNING, {"milter", "opendkim"}, "milter or opendkim"},
};

/* The state of one load. */
struct load {
	struct cm_config *config;
	char *text[KEY_COUNT]; /* as given in the file; NULL: not given */
	unsigned int line_of[KEY_COUNT];
	char *foreign; /* the section, not ours, that the last warning was about; NULL: none */
	cm_config_warning_fn *warn;
	void *warn_context;
	struct cm_error *err;
};

static cm_ini_pair_fn remember;
static bool apply(struct load *load);
static bool derive(struct load *load);

static void *field(struct cm_config *config, const struct key *key)
{
	return (char *)config + key->offset;
}

static bool is_string_kind(enum kind kind)
{
	return kind == KIND_TEXT || kind == KIND_PATH || kind == KIND_URL || kind == KIND_IROH ||
	       kind == KIND_HOST || kind == KIND_LISTEN || kind == KIND_WEB ||
	       kind == KIND_RESOLVER || kind == KIND_DOMAIN || kind == KIND_WORD;
}

static int key_index(const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].name, name) == 0)
			return (int)i;
	return -1;
}

void cm_config_warn_log(const char *text, void *context)
{
	(void)context;
	cm_log(LOG_WARNING, "%s", text);
}

struct cm_config *cm_config_load(const char *path, cm_config_warning_fn *warn, void *context,
				 struct cm_error *err)
{
	struct load load = {.warn = warn, .warn_context = context, .err = err};
	bool good = false;

	load.config = calloc(1, sizeof(*load.config));
	if (load.config == NULL || (load.config->path = strdup(path)) == NULL) {
		cm_error_set(err, "out of memory");
		goto out;
	}
	good = cm_ini_file_read(path, remember, &load, err) && apply(&load) && derive(&load);
out:
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(load.text[i]);
	free(load.foreign);
	if (!good)
		cm_config_free(&load.config);
	return load.config;
}

void cm_config_free(struct cm_config **config_p)
{
	struct cm_config *config;

	if (config_p == NULL || *config_p == NULL)
		return;
	config = *config_p;
	*config_p = NULL;
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (is_string_kind(keys[i].kind))
			free(*(char **)field(config, &keys[i]));
	free(config->mail_host);
	free(config->tls_certificate);
	free(config->tls_key);
	free(config->path);
	free(config);
}

__attribute__((format(printf, 2, 3))) static void warn(struct load *load, const char *format, ...)
{
	char text[CM_ERROR_SIZE];
	va_list arguments;

	if (load->warn == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	load->warn(text, load->warn_context);
}

/* A value over several lines is one text with blanks between them. */
static bool append_line(struct load *load, size_t index, const char *value)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", load->text[index], load->text[index][0] != '\0' ? " " : "",
		     value) < 0) {
		cm_error_set(load->err, "out of memory");
		return false;
	}
	free(load->text[index]);
	load->text[index] = joined;
	return true;
}

/* Sections that are not ours, such as upstream's old [privacy:DOMAIN], are warned about once. */
static bool skip_foreign(struct load *load, unsigned int line, const char *section)
{
	if (load->foreign != NULL && strcmp(load->foreign, section) == 0)
		return true;
	free(load->foreign);
	load->foreign = strdup(section);
	if (load->foreign == NULL) {
		cm_error_set(load->err, "out of memory");
		return false;
	}
	if (*section == '\0')
		warn(load, "%s:%u: what stands before section [" SECTION "] has no effect",
		     load->config->path, line);
	else
		warn(load, "%s:%u: section [%s] has no effect", load->config->path, line, section);
	return true;
}

static bool remember(void *context, unsigned int line, const char *section, const char *name,
		     const char *value, bool continues, struct cm_error *err)
{
	struct load *load = context;
	const char *path = load->config->path;
	int index = key_index(name);

	if (strcmp(section, SECTION) != 0)
		return skip_foreign(load, line, section);
	if (index < 0) {
		if (!continues)
			warn(load, "%s:%u: the key '%s' is unknown and has no effect", path, line,
			     name);
		return true;
	}
	if (!cm_utf8_printable(value)) {
		cm_error_set(err, "%s:%u: %s: this must be UTF-8 without control characters", path,
			     line, name);
		return false;
	}
	if (load->text[index] != NULL && continues)
		return append_line(load, (size_t)index, value);
	if (load->text[index] != NULL) {
		cm_error_set(err, "%s:%u: '%s' is given twice, first in line %u", path, line, name,
			     load->line_of[index]);
		return false;
	}
	load->text[index] = strdup(value);
	load->line_of[index] = line;
	if (load->text[index] == NULL)
		cm_error_set(err, "out of memory");
	return load->text[index] != NULL;
}

/* --- the values ----------------------------------------------------------------------------- */

/* NULL: not such a kind. */
static const struct choice *find_choice(enum kind kind)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (choices[i].kind == kind)
			return &choices[i];
	}
	return NULL;
}

static bool read_choice(const struct choice *choice, const char *text, unsigned int *value_r)
{
	for (unsigned int i = 0; i < 4 && choice->names[i] != NULL; i++) {
		if (strcmp(text, choice->names[i]) == 0) {
			*value_r = i;
			return true;
		}
	}
	return false;
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* What a value must look like, for the error message; NULL if the text is fine. */
static const char *check_text(const struct key *key, const char *text)
{
	bool absent = text[0] == '\0';

	switch (key->kind) {
	case KIND_PATH:
		return absent || cm_value_is_path(text) ? NULL : CM_VALUE_PATH;
	case KIND_URL:
		return cm_value_is_url(text, "https://") ? NULL : "an https:// URL";
	case KIND_IROH:
		return absent || cm_value_is_url(text, "https://") ||
			       cm_value_is_url(text, "http://")
			   ? NULL
			   : "a URL like https://iroh.example";
	case KIND_HOST:
		return absent || (is_ascii(text) && cm_value_is_host(text))
			   ? NULL
			   : "a name or an IP address, in ASCII";
	case KIND_WORD:
		return !absent && text[strspn(text, WORD_CHARACTERS)] == '\0' && strlen(text) <= 63
			   ? NULL
			   : "letters, digits and dashes";
	case KIND_LISTEN:
		return absent || cm_value_is_listen(text) ? NULL : "HOST:PORT";
	case KIND_WEB:
		return absent || cm_value_is_web(text) ? NULL : "HOST:PORT, or unix:/PATH";
	case KIND_RESOLVER:
		return absent || cm_value_is_resolver(text) ? NULL
							    : "an IP address, or ADDRESS@PORT";
	case KIND_DOMAIN:
		if (!is_ascii(text))
			return "in ASCII: the name as the DNS has it, which begins with xn--";
		return cm_value_is_ip(text, strlen(text)) || cm_domain_valid(text, strlen(text))
			   ? NULL
			   : "a domain name or an IP address";
	default:
		return NULL;
	}
}

static bool bad_value(struct load *load, size_t index, const char *text, const char *expected)
{
	bool too_long = strlen(text) > SHOWN_MAX;

	cm_error_set(load->err, "%s:%u: %s = %.*s%s: this must be %s", load->config->path,
		     load->line_of[index], keys[index].name, SHOWN_MAX, text, too_long ? "..." : "",
		     expected);
	return false;
}

static bool read_size(const struct key *key, const char *text, uint64_t unit, uint64_t *value_r)
{
	return cm_value_read_size(text, unit, value_r) && *value_r >= key->min * unit;
}

static bool apply_key(struct load *load, size_t index, const char *text)
{
	const struct key *key = &keys[index];
	void *target = field(load->config, key);
	const char *expected = NULL;
	const struct choice *choice;
	char range[64];

	switch (key->kind) {
	case KIND_NUMBER:
		snprintf(range, sizeof(range), "a number from %u to %u", key->min, key->max);
		expected = cm_value_read_number(text, key->min, key->max, target) ? NULL : range;
		break;
	case KIND_DAYS:
		snprintf(range, sizeof(range), "a number of days from %u to %u", key->min,
			 key->max);
		expected = cm_value_read_days(text, key->min, key->max, target) ? NULL : range;
		break;
	case KIND_BYTES:
		expected = read_size(key, text, 1, target) ? NULL : "a size in bytes";
		break;
	case KIND_SIZE:
		expected = read_size(key, text, UINT64_C(1) << 20, target)
			       ? NULL
			       : "a size like 500M or 2G";
		break;
	case KIND_REAL:
		expected = cm_value_read_real(text, target) ? NULL : "a number like 5 or 2.5";
		break;
	case KIND_FLAG:
		expected = cm_value_read_flag(text, target) ? NULL : "true or false";
		break;
	case KIND_MODE:
	case KIND_OUTBOUND:
	case KIND_SIGNING:
		choice = find_choice(key->kind);
		expected = read_choice(choice, text, target) ? NULL : choice->expected;
		break;
	case KIND_TLS:
		break;
	default:
		expected = check_text(key, text);
		if (expected == NULL && (*(char **)target = strdup(text)) == NULL) {
			cm_error_set(load->err, "out of memory");
			return false;
		}
	}
	return expected == NULL || bad_value(load, index, text, expected);
}

static bool apply(struct load *load)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const char *text = load->text[i] != NULL ? load->text[i] : keys[i].default_text;

		if (text != NULL && !apply_key(load, i, text))
			return false;
	}
	if (load->config->mail_domain == NULL) {
		cm_error_set(load->err, "%s: the key 'mail_domain' is missing", load->config->path);
		return false;
	}
	if (load->config->username_min_length > load->config->username_max_length) {
		cm_error_set(load->err,
			     "%s: username_min_length = %u is more than username_max_length = %u",
			     load->config->path, load->config->username_min_length,
			     load->config->username_max_length);
		return false;
	}
	return true;
}

/* --- what follows from the values --------------------------------------------------------------
 */

/* asprintf() into a field, replacing what is there; false if out of memory. */
__attribute__((format(printf, 2, 3))) static bool set_text(char **text, const char *format, ...)
{
	char *made = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&made, format, arguments);
	va_end(arguments);
	if (length < 0)
		return false;
	free(*text);
	*text = made;
	return true;
}

/* "192.0.2.1" and "[192.0.2.1]" are the same relay; its addresses have the brackets. */
static bool derive_domain(struct cm_config *config)
{
	struct in6_addr ipv6;
	char *domain = config->mail_domain;
	size_t length = strlen(domain);

	for (char *byte = domain; *byte != '\0'; byte++)
		if (*byte >= 'A' && *byte <= 'Z')
			*byte = (char)(*byte - 'A' + 'a');
	config->mail_domain_is_ip = domain[0] == '[' || cm_value_is_ip(domain, length);
	if (domain[0] == '[') {
		size_t skip = strncmp(domain, "[ipv6:", 6) == 0 ? 6 : 1;

		return set_text(&config->mail_host, "%.*s", (int)(length - skip - 1),
				domain + skip);
	}
	if (!set_text(&config->mail_host, "%s", domain))
		return false;
	if (!config->mail_domain_is_ip)
		return true;
	return set_text(&config->mail_domain,
			inet_pton(AF_INET6, config->mail_host, &ipv6) == 1 ? "[ipv6:%s]" : "[%s]",
			config->mail_host);
}

static bool derive_tls(struct load *load)
{
	struct cm_config *config = load->config;
	size_t index = (size_t)key_index("tls_external_cert_and_key");
	const char *external = load->text[index] != NULL ? load->text[index] : "";
	char *certificate = NULL, *key = NULL;
	int end = 0;
	bool good = true;

	if (external[0] != '\0') {
		if (sscanf(external, "%ms %ms %n", &certificate, &key, &end) == 2 &&
		    external[end] == '\0' && cm_value_is_path(certificate) &&
		    cm_value_is_path(key)) {
			config->tls_certificate = certificate;
			config->tls_key = key;
			return true;
		}
		free(certificate);
		free(key);
		return bad_value(
		    load, index, external,
		    "two absolute paths of letters, digits and ._+@=~:- : certificate and key");
	}
	config->tls_self_signed = config->mail_domain_is_ip || config->mail_domain[0] == '_';
	if (config->tls_self_signed)
		good = set_text(&config->tls_certificate, "/etc/ssl/certs/mailserver.pem") &&
		       set_text(&config->tls_key, "/etc/ssl/private/mailserver.key");
	else
		good =
		    set_text(&config->tls_certificate, "/var/lib/acme/live/%s/fullchain",
			     config->mail_host) &&
		    set_text(&config->tls_key, "/var/lib/acme/live/%s/privkey", config->mail_host);
	if (!good)
		cm_error_set(load->err, "out of memory");
	return good;
}

static bool derive(struct load *load)
{
	struct cm_config *config = load->config;
	bool good = derive_domain(config);
	size_t length;

	if (config->iroh_relay == NULL) {
		config->iroh_relay_local = true;
		/* RFC 3986 3.2.2: an IPv6 address has brackets in a URL. */
		good = good && set_text(&config->iroh_relay,
					strchr(config->mail_host, ':') != NULL ? "https://[%s]"
									       : "https://%s",
					config->mail_host);
	}
	if (config->turn_host == NULL || config->turn_host[0] == '\0')
		good = good && set_text(&config->turn_host, "%s", config->mail_host);
	if (config->run_dir[0] == '\0')
		good = good && set_text(&config->run_dir, "%s", CM_RUN_DIR);
	if (config->mailboxes_dir == NULL || config->mailboxes_dir[0] == '\0')
		good = good &&
		       set_text(&config->mailboxes_dir, "/home/vmail/mail/%s", config->mail_host);
	if (!good) {
		cm_error_set(load->err, "out of memory");
		return false;
	}
	length = strlen(config->mailboxes_dir);
	while (length > 1 && config->mailboxes_dir[length - 1] == '/')
		config->mailboxes_dir[--length] = '\0';
	return derive_tls(load);
}

/* --- listings ------------------------------------------------------------------------------- */

const struct cm_config_key *cm_config_keys(void)
{
	static struct cm_config_key list[KEY_COUNT + 1];

	for (size_t i = 0; i < KEY_COUNT; i++)
		list[i] = (struct cm_config_key){keys[i].name, keys[i].default_text};
	return list;
}

static char *size_text(uint64_t value)
{
	char *text = NULL;

	if (value != 0 && value % (UINT64_C(1) << 30) == 0)
		return set_text(&text, "%lluG", (unsigned long long)(value >> 30)) ? text : NULL;
	return set_text(&text, "%lluM", (unsigned long long)(value >> 20)) ? text : NULL;
}

char *cm_config_get(const struct cm_config *config, const char *name)
{
	int index = key_index(name);
	const void *value;
	char *text = NULL;
	bool good = true;

	if (index < 0)
		return NULL;
	value = (const char *)config + keys[index].offset;
	switch (keys[index].kind) {
	case KIND_NUMBER:
	case KIND_DAYS:
		good = set_text(&text, "%u", *(const unsigned int *)value);
		break;
	case KIND_BYTES:
		good = set_text(&text, "%llu", (unsigned long long)*(const uint64_t *)value);
		break;
	case KIND_SIZE:
		return size_text(*(const uint64_t *)value);
	case KIND_REAL:
		good = set_text(&text, "%g", *(const double *)value);
		break;
	case KIND_FLAG:
		good = set_text(&text, "%s", *(const bool *)value ? "true" : "false");
		break;
	case KIND_MODE:
	case KIND_OUTBOUND:
	case KIND_SIGNING:
		good = set_text(&text, "%s",
				find_choice(keys[index].kind)->names[*(const unsigned int *)value]);
		break;
	case KIND_TLS:
		good = set_text(&text, "%s %s", config->tls_certificate, config->tls_key);
		break;
	default:
		good = set_text(&text, "%s", *(char *const *)value);
	}
	return good ? text : NULL;
}
