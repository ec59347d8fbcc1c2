#include "upstream.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "directory.h"
#include "file.h"
#include "maildir_walk.h"
#include "process.h"

#define TEXT_MAX 65536

const char *const cm_upstream_services[] = {
    "filtermail.service",
    "filtermail-incoming.service",
    "filtermail-transport.service",
    "doveauth.service",
    "doveauth-dictproxy.service",
    "chatmail-metadata.service",
    "lastlogin.service",
    "echobot.service",
    "chatmail-expire.timer",
    "chatmail-expire.service",
    "chatmail-fsreport.timer",
    "chatmail-fsreport.service",
    "mta-sts-daemon.service",
    "mtail.service",
    "fcgiwrap.service",
    "fcgiwrap.socket",
    "iroh-relay.service",
    "opendkim.service",
    NULL,
};

const char *const cm_upstream_pauses[] = {"postfix.service", "dovecot.service", NULL};

/* Units in /etc take precedence over ours of the same name; the pin prevents the installation
   of any Dovecot. */
const char *const cm_upstream_obstacles[] = {
    "/etc/apt/preferences.d/pin-dovecot",
    "/etc/systemd/system/filtermail.service",
    "/etc/systemd/system/filtermail-incoming.service",
    "/etc/systemd/system/filtermail-transport.service",
    "/etc/systemd/system/doveauth.service",
    "/etc/systemd/system/chatmail-metadata.service",
    "/etc/systemd/system/lastlogin.service",
    "/etc/systemd/system/chatmail-expire.service",
    "/etc/systemd/system/chatmail-expire.timer",
    "/etc/systemd/system/chatmail-fsreport.service",
    "/etc/systemd/system/chatmail-fsreport.timer",
    "/etc/systemd/system/mtail.service",
    "/etc/systemd/system/iroh-relay.service",
    "/etc/systemd/system/dovecot.service.d/10_restart.conf",
    "/etc/systemd/system/postfix@.service.d/10_restart.conf",
    "/etc/cron.d/chatmail-metrics",
    "/etc/cron.d/expunge",
    NULL,
};

const char *const cm_upstream_copies[] = {
    "/etc/postfix",  "/etc/dovecot",         "/etc/nginx/nginx.conf", "/etc/opendkim.conf",
    "/etc/opendkim", "/etc/iroh-relay.toml", CM_UPSTREAM_ACME_TARGET, NULL,
};

char *cm_upstream_path(const char *root, const char *path)
{
	char *joined;

	return asprintf(&joined, "%s%s", root, path) >= 0 ? joined : NULL;
}

bool cm_upstream_exists(const char *root, const char *path)
{
	char *joined = cm_upstream_path(root, path);
	struct stat st;
	bool found = joined != NULL && lstat(joined, &st) == 0;

	free(joined);
	return found;
}

static void note(json_t *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(json_t *notes, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) >= 0) {
		json_array_append_new(notes, json_string(text));
		free(text);
	}
	va_end(arguments);
}

static void note_warning(const char *text, void *context)
{
	note(context, "%s", text);
}

static char *read_text(const char *root, const char *path)
{
	char *joined = cm_upstream_path(root, path), *text = NULL;
	size_t length;

	if (joined == NULL || !cm_file_read(AT_FDCWD, joined, TEXT_MAX, &text, &length))
		text = NULL;
	free(joined);
	return text;
}

/* Keys with another meaning here; see the list in the manual. */
static void survey_config(const struct cm_config *config, json_t *notes)
{
	if (config->mtail_address[0] != '\0')
		note(notes, "mtail_address: mtail is stopped; metrics_listen serves metrics here");
	if (config->disable_ipv6)
		note(notes, "disable_ipv6: IPv6 is off for the servers, not for the DNS resolver");
	note(notes, "max_load_1m = %g applies to each processor here", config->max_load_1m);
}

static void survey_key(const char *root, const struct cm_config *config, json_t *notes)
{
	char *path = NULL;

	if (config->mail_domain_is_ip)
		return;
	if (asprintf(&path, "%s/%s.private", config->dkim_keys_dir, config->dkim_selector) < 0)
		return;
	if (cm_upstream_exists(root, path))
		note(notes, "DKIM: %s is kept, with its selector %s: no record changes", path,
		     config->dkim_selector);
	else
		note(notes, "DKIM: %s does not exist: no mail could leave without it", path);
	free(path);
}

static void survey_mailboxes(const char *root, const struct cm_config *config, json_t *notes)
{
	char *path = cm_upstream_path(root, config->mailboxes_dir);
	struct cm_error err;
	struct cm_mailboxes *mailboxes = path != NULL ? cm_mailboxes_open(path, &err) : NULL;
	uint64_t accounts = 0, others = 0;
	const char *name;
	time_t seen;

	while (mailboxes != NULL && cm_mailboxes_next(mailboxes, &name, &err) && name != NULL) {
		int fd = cm_directory_open(cm_mailboxes_fd(mailboxes), name);

		if (fd < 0)
			continue;
		if (cm_maildir_last_seen(fd, &seen))
			accounts++;
		else
			others++;
		close(fd);
	}
	if (mailboxes == NULL)
		note(notes, "%s: cannot be read: there are no mailboxes", config->mailboxes_dir);
	else
		note(notes,
		     "%" PRIu64 " accounts are used as they are; %" PRIu64
		     " directories are not accounts, because they contain no password",
		     accounts, others);
	cm_mailboxes_close(&mailboxes);
	free(path);
}

/* Lists files in a directory whose text mentions chatmaild. */
static void survey_crontabs(const char *root, const char *directory, json_t *notes)
{
	char *path = cm_upstream_path(root, directory);
	DIR *stream = path != NULL ? opendir(path) : NULL;
	const struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		char *name = NULL, *text = NULL;

		if (asprintf(&name, "%s/%s", directory, entry->d_name) >= 0)
			text = read_text(root, name);
		if (text != NULL && strstr(text, "chatmaild") != NULL)
			note(notes,
			     "%s runs a program of upstream's: remove it if you no longer want it",
			     name);
		free(text);
		free(name);
	}
	if (stream != NULL)
		closedir(stream);
	free(path);
}

static void survey_rest(const char *root, json_t *notes)
{
	if (cm_upstream_exists(root, "/usr/local/bin/chatmail-turn"))
		note(notes,
		     "turnserver.service (chatmail-turn) keeps running and is used as before");
	if (cm_upstream_exists(root, "/usr/local/bin/iroh-relay"))
		note(notes, "/usr/local/bin/iroh-relay is run by our own service");
	if (cm_upstream_exists(root, CM_UPSTREAM_ACME_TARGET))
		note(notes, "acmetool keeps renewing the certificate; its webroot "
			    "becomes " CM_ACME_WEBROOT);
	if (cm_upstream_exists(root, "/var/www/html/index.html"))
		note(notes, "the pages in /var/www/html stay, but others are served: see www_root "
			    "in the manual");
	survey_crontabs(root, "/etc/cron.d", notes);
	survey_crontabs(root, "/var/spool/cron/crontabs", notes);
}

bool cm_upstream_survey(const char *root, json_t *notes, struct cm_error *err)
{
	char *ini = cm_upstream_path(root, CM_UPSTREAM_INI);
	struct cm_config *config = NULL;
	bool good;

	if (ini == NULL)
		cm_error_set(err, "out of memory");
	else
		config = cm_config_load(ini, note_warning, notes, err);
	good = config != NULL;
	if (good) {
		survey_config(config, notes);
		survey_key(root, config, notes);
		survey_mailboxes(root, config, notes);
		survey_rest(root, notes);
	}
	free(ini);
	cm_config_free(&config);
	return good;
}

/* The suite's name, "bookworm". */
static void read_suite(const char *root, char *suite, size_t size)
{
	/* /etc/os-release is a symbolic link to it. */
	char *text = read_text(root, "/usr/lib/os-release");
	const char *line = text != NULL ? strstr(text, "VERSION_CODENAME=") : NULL;

	snprintf(suite, size, "stable");
	if (line != NULL) {
		line += strlen("VERSION_CODENAME=");
		snprintf(suite, size, "%.*s", (int)strcspn(line, "\n"), line);
	}
	free(text);
}

/* The newest version in the distribution: the first row of "PACKAGE | VERSION | SOURCE". The
   installed version is upstream's and is in no list. */
static bool read_version(char *version, size_t size)
{
	static const char *const argv[] = {"apt-cache", "madison", "dovecot-core", NULL};
	struct cm_process_result result;
	struct cm_error ignored;
	const char *start = NULL;

	if (!cm_process_run(argv, false, &result, &ignored))
		return false;
	if (result.status == 0)
		start = strchr(result.output, '|');
	if (start != NULL) {
		start += 1 + strspn(start + 1, " ");
		snprintf(version, size, "%.*s", (int)strcspn(start, " |\n"), start);
	}
	free(result.output);
	return start != NULL && version[0] != '\0';
}

char *cm_upstream_apt_command(const char *root)
{
	char which[128], *command;

	/* With a preceding "=" or "/". */
	if (root[0] != '\0' || !read_version(which + 1, sizeof(which) - 1)) {
		read_suite(root, which + 1, sizeof(which) - 1);
		which[0] = '/';
	} else {
		which[0] = '=';
	}
	if (asprintf(&command,
		     "apt-get install -y --allow-downgrades chatmail-relay dovecot-core%s "
		     "dovecot-imapd%s dovecot-lmtpd%s",
		     which, which, which) < 0)
		return NULL;
	return command;
}
