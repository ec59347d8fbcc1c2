#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "backend_list.h"
#include "config_derive.h"
#include "config_keys.h"
#include "config_value.h"
#include "ini_file.h"
#include "log.h"
#include "utf8.h"

#define SECTION "params"

/* Bytes of a wrong value that an error message shows. */
#define SHOWN_MAX 100

/* A word is one label of a domain name. */
#define WORD_MAX        63
#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

#define TLS_EXPECTED "two absolute paths of letters, digits and ._+@=~:- : certificate and key"

/* The state of one load. */
struct load {
	struct cm_config *config;
	char *text[CM_CONFIG_KEYS_MAX]; /* as given in the file; NULL: not given */
	unsigned int line_of[CM_CONFIG_KEYS_MAX];
	char *foreign; /* the unknown section of the last warning; NULL: no warning yet */
	cm_config_warning_fn *warn;
	void *warn_context;
	struct cm_error *err;
};

static cm_ini_pair_fn remember;
static bool apply(struct load *load);

/* As in apply_key(): all other kinds are stored as strings. */
static bool is_string_kind(enum cm_config_kind kind)
{
	if (cm_config_choice(kind) != NULL)
		return false;
	switch (kind) {
	case CM_CONFIG_NUMBER:
	case CM_CONFIG_DAYS:
	case CM_CONFIG_BYTES:
	case CM_CONFIG_SIZE:
	case CM_CONFIG_REAL:
	case CM_CONFIG_FLAG:
	case CM_CONFIG_TLS:
		return false;
	default:
		return true;
	}
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
	good = cm_ini_file_read(path, remember, &load, err) && apply(&load) &&
	       cm_config_derive(load.config, err);
out:
	for (size_t i = 0; i < CM_CONFIG_KEYS_MAX; i++)
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
	for (size_t i = 0; cm_config_rows[i].name != NULL; i++)
		if (is_string_kind(cm_config_rows[i].kind))
			free(*(char **)cm_config_field(config, &cm_config_rows[i]));
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

/* The lines of a value are joined by blanks. */
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

/* Warns once about each unknown section, such as upstream's old [privacy:DOMAIN]. */
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
		warn(load, "%s:%u: keys before section [" SECTION "] have no effect",
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
	int index = cm_config_index(name);

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

static bool read_choice(const struct cm_config_choice *choice, const char *text,
			unsigned int *value_r)
{
	for (unsigned int i = 0; i < CM_CONFIG_WORDS_MAX && choice->names[i] != NULL; i++) {
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

/* The required form of a value, for the error message; NULL if the text is valid. */
static const char *check_text(const struct cm_config_row *key, const char *text)
{
	bool absent = text[0] == '\0';

	switch (key->kind) {
	case CM_CONFIG_PATH:
		return absent || cm_value_is_path(text) ? NULL : CM_VALUE_PATH;
	case CM_CONFIG_MAILS:
		return absent || cm_value_is_mail_path(text) ? NULL : CM_VALUE_PATH;
	case CM_CONFIG_URL:
		return cm_value_is_url(text, "https://") ? NULL : "an https:// URL";
	case CM_CONFIG_IROH:
		return absent || cm_value_is_url(text, "https://") ||
			       cm_value_is_url(text, "http://")
			   ? NULL
			   : "a URL like https://iroh.example";
	case CM_CONFIG_HOST:
		return absent || (is_ascii(text) && cm_value_is_host(text))
			   ? NULL
			   : "a name or an IP address, in ASCII";
	case CM_CONFIG_BACKENDS:
		return cm_backend_list_valid(text) ? NULL : "IP addresses, some with - before them";
	case CM_CONFIG_FRONTS:
		return cm_backend_list_valid(text) && strchr(text, '-') == NULL ? NULL
										: "IP addresses";
	case CM_CONFIG_WORD:
		return !absent && text[strspn(text, WORD_CHARACTERS)] == '\0' &&
			       strlen(text) <= WORD_MAX
			   ? NULL
			   : "letters, digits and dashes";
	case CM_CONFIG_LISTEN:
		return absent || cm_value_is_listen(text) ? NULL : "HOST:PORT";
	case CM_CONFIG_WEB:
		return absent || cm_value_is_web(text) ? NULL : "HOST:PORT, or unix:/PATH";
	case CM_CONFIG_RESOLVER:
		return absent || cm_value_is_resolver(text) ? NULL
							    : "an IP address, or ADDRESS@PORT";
	case CM_CONFIG_ADDRESS:
		return absent || cm_value_is_ip(text, strlen(text)) ? NULL : "an IP address";
	case CM_CONFIG_QUERY:
		return absent || cm_value_is_query(text) ? NULL : "NAME=VALUE with & between";
	case CM_CONFIG_NETWORK:
		return absent || cm_value_is_network(text) ? NULL : "an IP address or ADDRESS/BITS";
	case CM_CONFIG_DOMAIN:
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
		     load->line_of[index], cm_config_rows[index].name, SHOWN_MAX, text,
		     too_long ? "..." : "", expected);
	return false;
}

static bool read_size(const struct cm_config_row *key, const char *text, uint64_t unit,
		      uint64_t *value_r)
{
	return cm_value_read_size(text, unit, value_r) && *value_r >= key->min * unit;
}

/* "" or two paths. */
static bool read_tls(struct cm_config *config, const char *text)
{
	char *certificate = NULL, *key = NULL;
	int end = 0;

	if (*text == '\0')
		return true;
	if (sscanf(text, "%ms %ms %n", &certificate, &key, &end) == 2 && text[end] == '\0' &&
	    cm_value_is_path(certificate) && cm_value_is_path(key)) {
		config->tls_certificate = certificate;
		config->tls_key = key;
		return true;
	}
	free(certificate);
	free(key);
	return false;
}

static bool apply_key(struct load *load, size_t index, const char *text)
{
	const struct cm_config_row *key = &cm_config_rows[index];
	void *target = cm_config_field(load->config, key);
	const char *expected = NULL;
	const struct cm_config_choice *choice = cm_config_choice(key->kind);
	char range[64];

	if (choice != NULL)
		return read_choice(choice, text, target) ||
		       bad_value(load, index, text, choice->expected);
	switch (key->kind) {
	case CM_CONFIG_NUMBER:
		snprintf(range, sizeof(range), "a number from %u to %u", key->min, key->max);
		expected = cm_value_read_number(text, key->min, key->max, target) ? NULL : range;
		break;
	case CM_CONFIG_DAYS:
		snprintf(range, sizeof(range), "a number of days from %u to %u", key->min,
			 key->max);
		expected = cm_value_read_days(text, key->min, key->max, target) ? NULL : range;
		break;
	case CM_CONFIG_BYTES:
		expected = read_size(key, text, 1, target) ? NULL : "a size in bytes";
		break;
	case CM_CONFIG_SIZE:
		expected = read_size(key, text, UINT64_C(1) << 20, target)
			       ? NULL
			       : "a size like 500M or 2G";
		break;
	case CM_CONFIG_REAL:
		expected = cm_value_read_real(text, target) ? NULL : "a number like 5 or 2.5";
		break;
	case CM_CONFIG_FLAG:
		expected = cm_value_read_flag(text, target) ? NULL : "true or false";
		break;
	case CM_CONFIG_TLS:
		expected = read_tls(load->config, text) ? NULL : TLS_EXPECTED;
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
	for (size_t i = 0; cm_config_rows[i].name != NULL; i++) {
		const char *text =
		    load->text[i] != NULL ? load->text[i] : cm_config_rows[i].default_text;

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
	if (load->config->front_listen[0] != '\0' && load->config->front_network[0] == '\0') {
		cm_error_set(
		    load->err,
		    "%s: front_listen needs front_network: the address of the front machine",
		    load->config->path);
		return false;
	}
	return true;
}
