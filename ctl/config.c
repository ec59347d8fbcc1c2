/*
 * config - chatmailctl config: the servers' configuration, rendered from chatmail.ini
 *
 * SYNOPSIS
 *	chatmailctl config show [options] [TEMPLATE...]
 *	chatmailctl config apply [options]
 *
 * One table says which template becomes which file. `apply` renders everything before it writes
 * anything, so a wrong template or value changes nothing; each file then replaces the old one
 * atomically and only if it differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "error.h"
#include "file.h"
#include "page.h"
#include "settings.h"
#include "template.h"

#define MAX_OVERRIDES 64

/* A directory of templates for each version of Dovecot. */
#define DOVECOT_TEMPLATES "dovecot-"

/* Longest template or configuration file. */
#define MAX_FILE 1048576

/* Where a template is for. */
enum scope {
	ALWAYS,
	WITH_NAME, /* an IP-only relay is looked up nowhere */
	WITH_OPENDKIM,
};

/* Both names may have settings in them, as the file itself may; {{dovecot}} is Dovecot's version
   without the point release. */
static const struct file {
	const char *template, *destination;
	enum scope scope;
} files[] = {
    {"postfix/main.cf", "/etc/postfix/main.cf", ALWAYS},
    {"postfix/master.cf", "/etc/postfix/master.cf", ALWAYS},
    {"postfix/login_map", "/etc/postfix/login_map", ALWAYS},
    {"postfix/own_transport", "/etc/postfix/own_transport", ALWAYS},
    {"postfix/submission_header_checks", "/etc/postfix/submission_header_checks", ALWAYS},
    {"postfix/lmtp_header_checks", "/etc/postfix/lmtp_header_checks", ALWAYS},
    {"postfix/tls_policy", "/etc/postfix/tls_policy", ALWAYS},
    {DOVECOT_TEMPLATES "{{dovecot}}/dovecot.conf", "/etc/dovecot/dovecot.conf", ALWAYS},
    {"nginx/nginx.conf", "/etc/nginx/nginx.conf", ALWAYS},
    {"nginx/chatmail-proxy.conf", "/etc/nginx/chatmail-proxy.conf", ALWAYS},
    {"www/en/index.html", "{{www_root}}/en/index.html", ALWAYS},
    {"www/en/invite.html", "{{www_root}}/en/invite.html", ALWAYS},
    {"www/en/privacy.html", "{{www_root}}/en/privacy.html", ALWAYS},
    {"www/en/404.html", "{{www_root}}/en/404.html", ALWAYS},
    {"www/de/index.html", "{{www_root}}/de/index.html", ALWAYS},
    {"www/de/invite.html", "{{www_root}}/de/invite.html", ALWAYS},
    {"www/de/privacy.html", "{{www_root}}/de/privacy.html", ALWAYS},
    {"www/de/404.html", "{{www_root}}/de/404.html", ALWAYS},
    {"www/es/index.html", "{{www_root}}/es/index.html", ALWAYS},
    {"www/es/invite.html", "{{www_root}}/es/invite.html", ALWAYS},
    {"www/es/privacy.html", "{{www_root}}/es/privacy.html", ALWAYS},
    {"www/es/404.html", "{{www_root}}/es/404.html", ALWAYS},
    {"www/fr/index.html", "{{www_root}}/fr/index.html", ALWAYS},
    {"www/fr/invite.html", "{{www_root}}/fr/invite.html", ALWAYS},
    {"www/fr/privacy.html", "{{www_root}}/fr/privacy.html", ALWAYS},
    {"www/fr/404.html", "{{www_root}}/fr/404.html", ALWAYS},
    {"www/ru/index.html", "{{www_root}}/ru/index.html", ALWAYS},
    {"www/ru/invite.html", "{{www_root}}/ru/invite.html", ALWAYS},
    {"www/ru/privacy.html", "{{www_root}}/ru/privacy.html", ALWAYS},
    {"www/ru/404.html", "{{www_root}}/ru/404.html", ALWAYS},
    {"www/fa/index.html", "{{www_root}}/fa/index.html", ALWAYS},
    {"www/fa/invite.html", "{{www_root}}/fa/invite.html", ALWAYS},
    {"www/fa/privacy.html", "{{www_root}}/fa/privacy.html", ALWAYS},
    {"www/fa/404.html", "{{www_root}}/fa/404.html", ALWAYS},
    {"www/style.css", "{{www_root}}/style.css", ALWAYS},
    {"www/invite.js", "{{www_root}}/invite.js", ALWAYS},
    {"www/icon.svg", "{{www_root}}/icon.svg", ALWAYS},
    {"www/robots.txt", "{{www_root}}/robots.txt", ALWAYS},
    {"www/security.txt", "{{www_root}}/security.txt", ALWAYS},
    {"www/autoconfig.xml", "{{www_root}}/autoconfig.xml", WITH_NAME},
    {"www/mta-sts.txt", "{{www_root}}/mta-sts.txt", WITH_NAME},
    {"opendkim/opendkim.conf", "{{opendkim_conf}}", WITH_OPENDKIM},
    {"opendkim/KeyTable", "/etc/dkimkeys/KeyTable", WITH_OPENDKIM},
    {"opendkim/SigningTable", "/etc/dkimkeys/SigningTable", WITH_OPENDKIM},
};

#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

struct job {
	const char *ini;  /* NULL: below root */
	const char *root; /* "": this machine */
	const char *templates;
	const char *dovecot; /* "2.4"; NULL: as installed */
	char detected[16];
	const char *overrides[MAX_OVERRIDES];
	size_t override_count;
	bool dry_run, json, list;
	char **names; /* show: only these templates */
	int name_count;
	struct cm_config *config;
	struct cm_settings *settings;
	char *templates_of[FILE_COUNT]; /* the rendered names of the templates */
	struct cm_error *err;
};

enum outcome {
	UNCHANGED,
	CREATED,
	CHANGED,
};

static bool parse_options(int argc, char **argv, struct job *job, int *status_r);
static bool prepare(struct job *job);
static bool find_dovecot(struct job *job);
static bool name_templates(struct job *job);
static char *expand(const struct job *job, const char *text);
static int show(struct job *job);
static void show_text(const struct job *job, const char *name, const char *text, bool first);
static void no_such_template(const struct job *job);
static int list_settings(const struct job *job, json_t *object);
static bool add_member(const struct job *job, json_t *object, const char *name, const char *value);
static int finish_json(json_t *object, bool good);
static int apply(struct job *job);
static bool wanted(const struct job *job, size_t file);
static char *render(const struct job *job, size_t file);
static char *destination(const struct job *job, size_t file);
static char *read_whole(const char *path, struct cm_error *err);
static bool install(const struct job *job, const char *path, const char *text,
		    enum outcome *outcome_r);
static bool replace(const char *path, const char *text, mode_t mode, struct cm_error *err);

static const char usage[] =
    "usage: chatmailctl config show [-c INI] [--set NAME=VALUE]... [--json] [TEMPLATE...]\n"
    "       chatmailctl config show --settings [-c INI] [--set NAME=VALUE]... [--json]\n"
    "       chatmailctl config apply [-c INI] [--root DIR] [--set NAME=VALUE]... [--dry-run]\n"
    "                                [--json]\n"
    "\n"
    "Renders the configuration of Postfix, Dovecot, OpenDKIM and nginx from chatmail.ini.\n"
    "\n"
    "  -c, --config INI      read this file (default: " CM_CONFIG_DEFAULT_PATH " below DIR)\n"
    "      --root DIR        write below DIR instead of /\n"
    "      --set NAME=VALUE  override a setting of the site (see --settings)\n"
    "      --dovecot VERSION render for this Dovecot, such as 2.4 (default: the installed one)\n"
    "      --templates DIR   take the templates from DIR\n"
    "      --settings        show what the templates may name, with the values\n"
    "      --dry-run         say what would change, change nothing\n"
    "      --json            print JSON\n"
    "  -h, --help            show this help\n";

int cm_command_config(int argc, char **argv)
{
	struct cm_error err = {""};
	struct job job = {.root = "", .templates = CM_TEMPLATE_DIR, .err = &err};
	const char *verb = argc > 1 ? argv[1] : "";
	int status = CM_EXIT_TROUBLE;

	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
		fputs(usage, stdout);
		return CM_EXIT_OK;
	}
	if (strcmp(verb, "show") != 0 && strcmp(verb, "apply") != 0) {
		fputs(usage, stderr);
		return CM_EXIT_TROUBLE;
	}
	if (!parse_options(argc - 1, argv + 1, &job, &status))
		return status;
	if (prepare(&job))
		status = strcmp(verb, "show") == 0 ? show(&job) : apply(&job);
	if (err.text[0] != '\0')
		fprintf(stderr, "chatmailctl config: %s\n", err.text);
	for (size_t i = 0; i < FILE_COUNT; i++)
		free(job.templates_of[i]);
	cm_settings_deinit(&job.settings);
	cm_config_free(&job.config);
	return status;
}

static bool parse_options(int argc, char **argv, struct job *job, int *status_r)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"root", required_argument, NULL, 'r'},
	    {"set", required_argument, NULL, 's'},
	    {"dovecot", required_argument, NULL, 'd'},
	    {"templates", required_argument, NULL, 't'},
	    {"settings", no_argument, NULL, 'l'},
	    {"dry-run", no_argument, NULL, 'n'},
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	optind = 1;
	*status_r = CM_EXIT_TROUBLE;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			job->ini = optarg;
			break;
		case 'r':
			job->root = strcmp(optarg, "/") == 0 ? "" : optarg;
			break;
		case 's':
			if (job->override_count == MAX_OVERRIDES) {
				fputs("chatmailctl config: too many --set\n", stderr);
				return false;
			}
			job->overrides[job->override_count++] = optarg;
			break;
		case 'd':
			job->dovecot = optarg;
			break;
		case 't':
			job->templates = optarg;
			break;
		case 'l':
			job->list = true;
			break;
		case 'n':
			job->dry_run = true;
			break;
		case 'j':
			job->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*status_r = CM_EXIT_OK;
			return false;
		default:
			fputs(usage, stderr);
			return false;
		}
	}
	job->names = argv + optind;
	job->name_count = argc - optind;
	if (job->name_count > 0 && strcmp(argv[0], "apply") == 0) {
		fprintf(stderr, "chatmailctl config: apply takes no operand: %s\n", argv[optind]);
		return false;
	}
	return true;
}

static void warn(const char *text, void *context)
{
	(void)context;
	fprintf(stderr, "chatmailctl config: warning: %s\n", text);
}

/* Reads the ini and settles every setting. */
static bool prepare(struct job *job)
{
	char *ini = NULL;

	if (job->ini == NULL && asprintf(&ini, "%s%s", job->root, CM_CONFIG_DEFAULT_PATH) < 0) {
		cm_error_set(job->err, "out of memory");
		return false;
	}
	job->config = cm_config_load(ini != NULL ? ini : job->ini, warn, NULL, job->err);
	free(ini);
	if (job->config == NULL)
		return false;
	job->settings = cm_settings_init(job->config, job->err);
	if (job->settings == NULL)
		return false;
	for (size_t i = 0; i < job->override_count; i++)
		if (!cm_settings_override(job->settings, job->overrides[i], job->err))
			return false;
	return job->list || (find_dovecot(job) && name_templates(job));
}

/* The version of the installed Dovecot without its point release, such as 2.4. */
static bool detect_dovecot(struct job *job)
{
	FILE *stream =
	    popen("PATH=$PATH:/usr/sbin:/usr/local/sbin dovecot --version 2>/dev/null", "re");
	unsigned int major, minor;
	bool known = false;

	if (stream != NULL) {
		known = fscanf(stream, "%3u.%3u.", &major, &minor) == 2;
		pclose(stream);
	}
	if (!known) {
		cm_error_set(job->err, "cannot find Dovecot's version, as it is not installed "
				       "here: give it with --dovecot");
		return false;
	}
	snprintf(job->detected, sizeof(job->detected), "%u.%u", major, minor);
	job->dovecot = job->detected;
	return true;
}

/* A version has templates if it has a directory of them. */
static bool find_dovecot(struct job *job)
{
	char *path;
	bool found;

	if (job->dovecot == NULL && !detect_dovecot(job))
		return false;
	if (job->dovecot[strspn(job->dovecot, "0123456789.")] != '\0' ||
	    asprintf(&path, "%s/" DOVECOT_TEMPLATES "%s", job->templates, job->dovecot) < 0)
		path = NULL;
	found = path != NULL && access(path, F_OK) == 0;
	free(path);
	if (!found)
		cm_error_set(job->err, "%s: there are no templates for Dovecot %s", job->templates,
			     job->dovecot);
	return found;
}

static bool name_templates(struct job *job)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		job->templates_of[i] = expand(job, files[i].template);
		if (job->templates_of[i] == NULL)
			return false;
	}
	return true;
}

static bool named(const struct job *job, size_t file)
{
	for (int n = 0; n < job->name_count; n++)
		if (strcmp(job->names[n], job->templates_of[file]) == 0)
			return true;
	return job->name_count == 0 && wanted(job, file);
}

static int show(struct job *job)
{
	json_t *object = job->json ? json_object() : NULL;
	int found = 0;
	bool good = true;

	if (job->list)
		return list_settings(job, object);
	for (size_t i = 0; good && i < FILE_COUNT; i++) {
		char *text;

		if (!named(job, i))
			continue;
		text = render(job, i);
		good = text != NULL;
		if (good && job->json)
			good = add_member(job, object, job->templates_of[i], text);
		else if (good)
			show_text(job, job->templates_of[i], text, found == 0);
		found++;
		free(text);
	}
	if (good && found < job->name_count) {
		no_such_template(job);
		good = false;
	}
	return finish_json(object, good);
}

static void show_text(const struct job *job, const char *name, const char *text, bool first)
{
	if (job->name_count != 1)
		printf("%s==> %s <==\n", first ? "" : "\n", name);
	fputs(text, stdout);
}

static void no_such_template(const struct job *job)
{
	cm_error_set(job->err, "no such template; there are these:");
	for (size_t i = 0; i < FILE_COUNT; i++) {
		size_t used = strlen(job->err->text);

		snprintf(job->err->text + used, sizeof(job->err->text) - used, " %s",
			 job->templates_of[i]);
	}
}

/* False with err filled if JSON cannot have it. */
static bool add_member(const struct job *job, json_t *object, const char *name, const char *value)
{
	if (json_object_set_new(object, name, json_string(value)) == 0)
		return true;
	cm_error_set(job->err, "not UTF-8, as JSON must be, or out of memory: %s", name);
	return false;
}

/* Prints object, if there is one and all went well, and frees it. Returns the exit status. */
static int finish_json(json_t *object, bool good)
{
	if (good && object != NULL) {
		good = json_dumpf(object, stdout, JSON_INDENT(2)) == 0;
		putchar('\n');
	}
	json_decref(object);
	return good ? CM_EXIT_OK : CM_EXIT_TROUBLE;
}

struct listing {
	const struct job *job;
	json_t *object;
	bool good;
};

static void list_setting(const char *name, const char *value, const char *note, void *context)
{
	struct listing *listing = context;

	if (!listing->job->json)
		printf("%s = %s\t# %s\n", name, value, note);
	else if (listing->good)
		listing->good = add_member(listing->job, listing->object, name, value);
}

static int list_settings(const struct job *job, json_t *object)
{
	struct listing listing = {job, object, true};

	cm_settings_each(job->settings, list_setting, &listing);
	return finish_json(object, listing.good);
}

static int apply(struct job *job)
{
	static const char *const words[] = {
	    [UNCHANGED] = "unchanged", [CREATED] = "created", [CHANGED] = "changed"};
	char *texts[FILE_COUNT] = {NULL}, *paths[FILE_COUNT] = {NULL};
	enum outcome outcomes[FILE_COUNT];
	json_t *report = job->json ? json_object() : NULL;
	bool good = true;

	for (size_t i = 0; good && i < FILE_COUNT; i++)
		if (wanted(job, i))
			good = (texts[i] = render(job, i)) != NULL &&
			       (paths[i] = destination(job, i)) != NULL;
	for (size_t i = 0; good && i < FILE_COUNT; i++) {
		if (texts[i] == NULL)
			continue;
		good = install(job, paths[i], texts[i], &outcomes[i]);
		if (good && job->json)
			good = add_member(job, report, paths[i], words[outcomes[i]]);
		else if (good)
			printf("%-9s %s\n", words[outcomes[i]], paths[i]);
	}
	for (size_t i = 0; i < FILE_COUNT; i++) {
		free(texts[i]);
		free(paths[i]);
	}
	return finish_json(report, good);
}

static bool wanted(const struct job *job, size_t file)
{
	switch (files[file].scope) {
	case WITH_NAME:
		return !job->config->mail_domain_is_ip;
	case WITH_OPENDKIM:
		return cm_settings_opendkim(job->config);
	case ALWAYS:
		break;
	}
	return true;
}

static const char *setting(const char *name, void *context)
{
	const struct job *job = context;

	if (strcmp(name, "dovecot") == 0)
		return job->dovecot;
	return cm_settings_get(job->settings, name);
}

/* A name in the table of files, with its settings filled in. */
static char *expand(const struct job *job, const char *text)
{
	return cm_template_render(text, text, setting, (void *)job, job->err);
}

static char *render(const struct job *job, size_t file)
{
	char *path, *text, *result = NULL;

	if (cm_page_is(job->templates_of[file]))
		return cm_page_render(job->templates, job->templates_of[file], job->settings,
				      job->err);
	if (asprintf(&path, "%s/%s", job->templates, job->templates_of[file]) < 0) {
		cm_error_set(job->err, "out of memory");
		return NULL;
	}
	text = read_whole(path, job->err);
	if (text != NULL)
		result = cm_template_render(path, text, setting, (void *)job, job->err);
	free(text);
	free(path);
	return result;
}

/* The path to write, root included. */
static char *destination(const struct job *job, size_t file)
{
	char *path = expand(job, files[file].destination), *result;

	if (path == NULL)
		return NULL;
	if (asprintf(&result, "%s%s", job->root, path) < 0) {
		cm_error_set(job->err, "out of memory");
		result = NULL;
	}
	free(path);
	return result;
}

static char *read_whole(const char *path, struct cm_error *err)
{
	char *text;
	size_t length;

	if (!cm_file_read(AT_FDCWD, path, MAX_FILE, &text, &length)) {
		cm_error_set_errno(err, "%s: cannot be read", path);
		return NULL;
	}
	return text;
}

static bool install(const struct job *job, const char *path, const char *text,
		    enum outcome *outcome_r)
{
	struct stat st;
	mode_t mode = 0644;
	char *old;

	*outcome_r = CREATED;
	if (lstat(path, &st) == 0) {
		mode = st.st_mode & 0777;
		old = read_whole(path, job->err);
		if (old == NULL)
			return false;
		*outcome_r = strcmp(old, text) == 0 ? UNCHANGED : CHANGED;
		free(old);
	} else if (errno != ENOENT) {
		cm_error_set_errno(job->err, "%s: cannot be read", path);
		return false;
	}
	return *outcome_r == UNCHANGED || job->dry_run || replace(path, text, mode, job->err);
}

/* Whoever reads path finds the old text or the new one, also after a power cut. */
static bool replace(const char *path, const char *text, mode_t mode, struct cm_error *err)
{
	const char *name = strrchr(path, '/') + 1;
	char *parent = strndup(path, (size_t)(name - path));
	bool good = false;
	int directory = -1;

	if (parent == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	umask(022);
	if (cm_file_make_directories(parent, 0755))
		directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good = directory >= 0 && cm_file_write(directory, name, ".chatmailctl-", text, strlen(text),
					       mode, CM_FILE_REPLACE | CM_FILE_DURABLE);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", path);
	if (directory >= 0)
		close(directory);
	free(parent);
	return good;
}
