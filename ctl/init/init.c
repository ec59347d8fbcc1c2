/*
 * init - chatmailctl init: create keys, directories and chatmail.ini of a new relay
 *
 * SYNOPSIS
 *
 *	chatmailctl init [--root DIR] [--json] DOMAIN|ADDRESS
 *
 * Keys and directories come first, and existing ones are kept, so a killed run can be repeated;
 * chatmail.ini comes last, and never replaces an existing one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <idn2.h>
#include <jansson.h>

#include "certificate.h"
#include "command.h"
#include "config_value.h"
#include "file.h"
#include "json_print.h"
#include "managed.h"
#include "options.h"
#include "secrets.h"
#include "settings.h"
#include "template.h"

#define PROGRAM "chatmailctl init"

#define MAX_FILE 65536

/* Days of validity of a final self-signed certificate, and of a provisional one. */
#define CERTIFICATE_DAYS 36500
#define PROVISIONAL_DAYS 30

#define TURN_SECRET "/etc/chatmail-turn.secret"

struct job {
	const char *root, *templates;
	bool json;
	char *domain; /* an IP address without brackets, or a name in ASCII */
	struct cm_config *config;
	struct cm_settings *settings;
	uid_t uid; /* vmail's, or ours if this user does not exist */
	gid_t gid;
	json_t *made; /* path: "created" or "kept" */
	struct cm_error err;
};

/* Returns -1 to continue, or the exit status. */
static int parse_options(int argc, char **argv, struct job *job, char ***words_r)
{
	const struct cm_option options[] = {
	    CM_OPTION_ROOT(&job->root),
	    CM_OPTION_TEMPLATES(&job->templates),
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = PROGRAM,
	    .synopsis = "[OPTION]... DOMAIN|ADDRESS",
	    .summary =
		"Makes " CM_CONFIG_DEFAULT_PATH
		" for a relay with this domain or IP address, its keys and its\ndirectories, and "
		"prints the next steps. Does not change existing files.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = 1,
	};

	return cm_options_parse(&line, argc, argv, words_r);
}

/* The domain in the DNS's form. */
static bool read_domain(struct job *job, const char *text)
{
	uint8_t *ascii = NULL;
	size_t length = strlen(text);

	if (length > 2 && text[0] == '[' && text[length - 1] == ']' &&
	    cm_value_is_ip(text + 1, length - 2)) {
		job->domain = strndup(text + 1, length - 2);
	} else if (cm_value_is_ip(text, length)) {
		job->domain = strdup(text);
	} else {
		int error = IDN2_OK;

		/* Test relays begin with an underscore, which host names cannot contain. */
		if (text[0] != '_')
			error = idn2_lookup_u8((const uint8_t *)text, &ascii,
					       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
		if (error != IDN2_OK) {
			cm_error_set(&job->err, "%s: not a domain name: %s", text,
				     idn2_strerror(error));
			return false;
		}
		job->domain = strdup(ascii != NULL ? (const char *)ascii : text);
		idn2_free(ascii);
	}
	if (job->domain == NULL) {
		cm_error_set(&job->err, "out of memory");
		return false;
	}
	if (cm_value_is_host(job->domain) && strchr(job->domain, '.') != NULL)
		return true;
	if (cm_value_is_ip(job->domain, strlen(job->domain)))
		return true;
	cm_error_set(&job->err, "%s: not a domain name or an IP address", text);
	return false;
}

/* --- chatmail.ini --------------------------------------------------------------------------- */

static const char *setting(const char *name, void *context)
{
	struct job *job = context;

	return strcmp(name, "mail_domain") == 0 ? job->domain : NULL;
}

static char *render_ini(struct job *job)
{
	char *path, *text = NULL, *result = NULL;
	size_t length;

	if (asprintf(&path, "%s/init/chatmail.ini", job->templates) < 0) {
		cm_error_set(&job->err, "out of memory");
		return NULL;
	}
	if (cm_file_read(AT_FDCWD, path, MAX_FILE, &text, &length))
		result = cm_template_render(path, text, setting, job, &job->err);
	else
		cm_error_set_errno(&job->err, "%s: cannot be read", path);
	free(text);
	free(path);
	return result;
}

static bool load(struct job *job, const char *ini)
{
	job->config = cm_command_read_config_text(PROGRAM, ini, strlen(ini), &job->err);
	if (job->config != NULL)
		job->settings = cm_settings_init(job->config, job->root, &job->err);
	return job->settings != NULL;
}

/* --- Files ---------------------------------------------------------------------------------- */

static bool note(struct job *job, const char *path, bool created)
{
	if (json_object_set_new(job->made, path, json_string(created ? "created" : "kept")) == 0)
		return true;
	cm_error_set(&job->err, "out of memory");
	return false;
}

static char *below_root(struct job *job, const char *path)
{
	char *joined;

	if (asprintf(&joined, "%s%s", job->root, path) >= 0)
		return joined;
	cm_error_set(&job->err, "out of memory");
	return NULL;
}

/* The new directory gets its name when it has its owner. */
static bool make_owned(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char random[CM_FILE_RANDOM_SIZE], *temporary = NULL;
	int length = (int)(strrchr(path, '/') - path);
	bool good =
	    cm_file_random_name(random) &&
	    asprintf(&temporary, "%.*s/" CM_MANAGED_TEMPORARY "%s", length, path, random) >= 0;
	int saved_errno;

	good = good && mkdir(temporary, mode) == 0;
	if (good && geteuid() == 0)
		good = lchown(temporary, uid, gid) == 0;
	good = good && chmod(temporary, mode) == 0 && rename(temporary, path) == 0;
	saved_errno = errno;
	if (!good && temporary != NULL)
		(void)rmdir(temporary);
	free(temporary);
	errno = saved_errno;
	return good;
}

/* mkdir -p; the last directory gets mode and owner if it is new. */
static bool make_directory(struct job *job, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	char *full = below_root(job, path), *parent;
	bool good = full != NULL, created = false;
	struct stat st;

	if (good && lstat(full, &st) < 0) {
		parent = strndup(full, (size_t)(strrchr(full, '/') - full));
		good =
		    parent != NULL && (parent[0] == '\0' || cm_file_make_directories(parent, 0755));
		free(parent);
		cm_managed_clean(full);
		created = good = good && make_owned(full, mode, uid, gid);
		if (!good)
			cm_error_set_errno(&job->err, "%s: cannot be created", full);
	}
	good = good && note(job, full, created);
	free(full);
	return good;
}

/* Writes a file that belongs to root and is readable for a group, unless it exists. */
static bool make_file(struct job *job, const char *path, const char *text, mode_t mode, gid_t gid)
{
	const struct cm_managed content = {(char *)text, strlen(text)};
	const struct cm_owner owner = {mode, geteuid(), geteuid() == 0 ? gid : getegid()};
	char *full = below_root(job, path);
	bool created, good = full != NULL;

	if (good)
		cm_managed_clean(full);
	good = good && cm_managed_create(full, &content, &owner, &created, &job->err) &&
	       note(job, full, created);
	free(full);
	return good;
}

/* A link to nothing exists, too. Removes the remains of a killed run beside it. */
static bool exists(struct job *job, const char *path)
{
	char *full = below_root(job, path);
	struct stat st;
	bool found = full != NULL && lstat(full, &st) == 0;

	if (full != NULL)
		cm_managed_clean(full);
	free(full);
	return found;
}

static bool make_dkim_key(struct job *job)
{
	const struct cm_config *config = job->config;
	char *path = NULL, *text = NULL;
	bool good;

	if (config->mail_domain_is_ip)
		return true;
	if (asprintf(&path, "%s/%s.private", config->dkim_keys_dir, config->dkim_selector) < 0) {
		cm_error_set(&job->err, "out of memory");
		return false;
	}
	good = make_directory(job, config->dkim_keys_dir, 0700, 0, 0);
	if (good && !exists(job, path))
		good = (text = cm_secrets_dkim_key(&job->err)) != NULL;
	good = good && make_file(job, path, text != NULL ? text : "", 0600, 0);
	cm_secrets_wipe(text);
	free(path);
	return good;
}

/* Without a certificate nginx does not start, and then no authority can validate the domain on port
   80. If a run was killed in between, there is only the key. */
static bool make_certificate(struct job *job)
{
	const struct cm_config *config = job->config;
	char *certificate = NULL, *key = NULL, *path;
	bool good;

	if (exists(job, config->tls_certificate))
		return note(job, config->tls_certificate, false);
	path = below_root(job, config->tls_key);
	good = path != NULL &&
	       cm_certificate_make(
		   config->mail_host, config->tls_self_signed ? CERTIFICATE_DAYS : PROVISIONAL_DAYS,
		   exists(job, config->tls_key) ? path : NULL, &certificate, &key, &job->err) &&
	       make_file(job, config->tls_key, key, 0600, 0) &&
	       make_file(job, config->tls_certificate, certificate, 0644, 0);
	free(path);
	free(certificate);
	cm_secrets_wipe(key);
	return good;
}

static bool make_turn_secret(struct job *job)
{
	char *text = cm_secrets_shared(&job->err);
	bool good = text != NULL && make_file(job, TURN_SECRET, text, 0640, job->gid);

	cm_secrets_wipe(text);
	return good;
}

/* The directory of ACME challenges (RFC 8555 8.3), which not all clients create. */
static bool make_challenges(struct job *job)
{
	char *path = NULL;
	bool good = asprintf(&path, "%s/.well-known/acme-challenge",
			     cm_settings_get(job->settings, "acme_webroot")) >= 0;

	if (!good)
		cm_error_set(&job->err, "out of memory");
	good = good && make_directory(job, path, 0755, 0, 0);
	free(path);
	return good;
}

static bool make_directories(struct job *job)
{
	return make_directory(job, "/home/vmail", 0700, job->uid, job->gid) &&
	       make_directory(job, "/home/vmail/mail", 0700, job->uid, job->gid) &&
	       make_directory(job, job->config->mailboxes_dir, 0700, job->uid, job->gid) &&
	       make_directory(job, cm_settings_get(job->settings, "www_root"), 0755, 0, 0) &&
	       make_challenges(job);
}

/* --- Result --------------------------------------------------------------------------------- */

/* As `chatmailctl dns` prints them. */
static int print_records(const struct job *job)
{
	char *words[] = {
	    "dns", "--root", (char *)job->root, "--templates", (char *)job->templates, NULL,
	};

	puts("\nThe records for your domain, as in a zone file (`chatmailctl dns --table`: for a "
	     "web "
	     "form):\n");
	return cm_command_dns(sizeof(words) / sizeof(words[0]) - 1, words);
}

static int print_steps(const struct job *job)
{
	const struct cm_config *config = job->config;
	int status = CM_EXIT_OK;
	const char *path;
	json_t *word;

	json_object_foreach(job->made, path, word)
	    printf("%-8s %s\n", json_string_value(word), path);
	if (!config->mail_domain_is_ip)
		status = print_records(job);
	puts("\nNext steps:\n");
	if (!config->mail_domain_is_ip)
		puts("  publish the records          then see `chatmailctl dns --check`");
	puts("  chatmailctl config diff      shows the changes of the servers' configuration\n  "
	     "chatmailctl config apply     puts it in place\n  start the services           and "
	     "check with `chatmailctl status`");
	if (!config->tls_self_signed)
		printf("  get a certificate            with any ACME client and the webroot %s;\n  "
		       "                             its hook: `chatmailctl certificate deployed "
		       "CERTIFICATE KEY`\n",
		       cm_settings_get(job->settings, "acme_webroot"));
	return status;
}

static int print_json(struct job *job)
{
	json_t *object = json_pack("{s:s, s:O}", "domain", job->domain, "files", job->made);

	return cm_json_print(object, &job->err) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
}

static void find_owner(struct job *job)
{
	const struct passwd *vmail = getpwnam("vmail");

	job->uid = vmail != NULL ? vmail->pw_uid : geteuid();
	job->gid = vmail != NULL ? vmail->pw_gid : getegid();
	if (vmail == NULL)
		fputs(PROGRAM ": warning: user vmail does not exist yet: change the owner of the "
			      "mailboxes and the TURN secret\n",
		      stderr);
}

static int run(struct job *job, const char *domain)
{
	int status = CM_EXIT_TROUBLE;
	char *ini = NULL;

	if (!read_domain(job, domain))
		return status;
	if (exists(job, CM_CONFIG_DEFAULT_PATH)) {
		cm_error_set(&job->err,
			     "%s" CM_CONFIG_DEFAULT_PATH
			     ": exists: nothing was changed; to begin again, move it away",
			     job->root);
		return CM_EXIT_NO;
	}
	find_owner(job);
	job->made = json_object();
	ini = render_ini(job);
	if (ini != NULL && load(job, ini) && make_dkim_key(job) && make_certificate(job) &&
	    make_turn_secret(job) && make_directories(job) &&
	    make_file(job, CM_CONFIG_DEFAULT_PATH, ini, 0644, 0)) {
		status = job->json ? print_json(job) : print_steps(job);
	}
	free(ini);
	return status;
}

int cm_command_init(int argc, char **argv)
{
	struct job job = {.root = "", .templates = CM_TEMPLATE_DIR};
	char **words;
	int status = parse_options(argc, argv, &job, &words);

	if (status >= 0)
		return status;
	status = run(&job, words[0]);
	if (job.err.text[0] != '\0')
		(void)cm_command_fail(PROGRAM, &job.err);
	json_decref(job.made);
	cm_settings_deinit(&job.settings);
	cm_config_free(&job.config);
	free(job.domain);
	return status;
}
