#include "relay_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer_list.h"
#include "state.h"

#define FILE_KEY "_file"
#define LOCAL    ".local"

/* An archive may put files here without --allow: no program is executed from there. */
static const char *const usual_places[] = {
    "/etc/chatmail",  "/etc/dkimkeys/",     "/etc/ssl/", "/etc/letsencrypt/live/",
    "/var/lib/acme/", "/var/lib/chatmail/", "/srv/",
};

/* The operator's additions are FILE.local below these directories. */
static const char *const servers[] = {
    "etc/postfix/", "etc/dovecot/", "etc/nginx/", "etc/opendkim", "etc/turnserver", "etc/coturn/",
};

#define FILE_MAX 1048576

struct visiting {
	cm_relay_file_fn *visit;
	void *context;
};

/* Files beside each other, each with its own role. */
static bool visit_if_there(const struct visiting *visiting, const char *role, const char *path)
{
	/* If it cannot be looked at, the visitor fails. */
	return path[0] == '\0' ||
	       (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) ||
	       visiting->visit(role, path, visiting->context);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && strcmp(text + length - tail, end) == 0;
}

/* The value of a key that names a file, "" if it is empty; NULL for other keys. malloc'd. */
static char *file_of_key(const struct cm_config *config, const char *key)
{
	return ends_with(key, FILE_KEY) ? cm_config_get(config, key) : NULL;
}

static bool visit_keys(const struct cm_config *config, const struct visiting *visiting)
{
	bool good = true;

	for (const struct cm_config_key *key = cm_config_keys(); good && key->name != NULL; key++) {
		char *path = file_of_key(config, key->name), role[128];

		snprintf(role, sizeof(role), "key/%s", key->name);
		good = path == NULL || visit_if_there(visiting, role, path);
		free(path);
	}
	return good;
}

static bool plain(const char *name)
{
	return name[0] != '.' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._-")] == '\0';
}

static bool visit_dkim(const struct cm_config *config, const struct visiting *visiting,
		       struct cm_error *err)
{
	DIR *directory = opendir(config->dkim_keys_dir);
	const struct dirent *entry;
	bool good = true;

	if (directory == NULL) {
		if (errno == ENOENT)
			return true;
		cm_error_set_errno(err, "%s: cannot be read", config->dkim_keys_dir);
		return false;
	}
	while (good && (entry = readdir(directory)) != NULL) {
		char role[300], *path;

		if (!plain(entry->d_name))
			continue;
		snprintf(role, sizeof(role), "dkim/%s", entry->d_name);
		good = asprintf(&path, "%s/%s", config->dkim_keys_dir, entry->d_name) >= 0;
		if (!good) {
			cm_error_set(err, "out of memory");
			break;
		}
		good = visit_if_there(visiting, role, path);
		free(path);
	}
	closedir(directory);
	return good;
}

/* Called with each file that `chatmailctl config` wrote. */
static bool visit_local(const char *path, void *context)
{
	const struct visiting *visiting = context;
	char *local = NULL, *role = NULL;
	bool good = asprintf(&local, "%s%s", path, ends_with(path, LOCAL) ? "" : LOCAL) >= 0 &&
		    asprintf(&role, "local%s", local) >= 0;

	/* The additions themselves are in that list, too. */
	if (good && !ends_with(path, LOCAL))
		good = visit_if_there(visiting, role, local);
	free(local);
	free(role);
	return good;
}

static bool visit_locals(struct visiting *visiting, struct cm_error *err)
{
	struct cm_state state;
	bool good = cm_state_open(&state, "", false, err);

	if (good)
		good = cm_state_each_base(&state, visit_local, visiting, err);
	cm_state_close(&state);
	return good;
}

size_t cm_relay_file_max(const char *role)
{
	return strncmp(role, "key/", 4) == 0 ? CM_PEER_LIST_BYTES_MAX : FILE_MAX;
}

bool cm_relay_files_each(const struct cm_config *config, cm_relay_file_fn *visit, void *context,
			 struct cm_error *err)
{
	struct visiting visiting = {.visit = visit, .context = context};

	return visit_if_there(&visiting, CM_RELAY_INI, config->path) &&
	       visit_if_there(&visiting, "chatmail-nocreate", CM_NOCREATE_FILE) &&
	       visit_if_there(&visiting, "tls/certificate", config->tls_certificate) &&
	       visit_if_there(&visiting, "tls/key", config->tls_key) &&
	       visit_keys(config, &visiting) && visit_dkim(config, &visiting, err) &&
	       visit_locals(&visiting, err);
}

/* --- Back ----------------------------------------------------------------------------------- */

static bool is_local(const char *path)
{
	if (!ends_with(path, LOCAL))
		return false;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (strncmp(path, servers[i], strlen(servers[i])) == 0)
			return true;
	return false;
}

/* *trusted_r: the path is not from the configuration in the archive. */
static char *find_path(const struct cm_config *config, const char *role, bool *trusted_r)
{
	char *path = NULL;

	*trusted_r = true;
	if (strcmp(role, CM_RELAY_INI) == 0)
		return strdup(CM_CONFIG_DEFAULT_PATH);
	if (strcmp(role, "chatmail-nocreate") == 0)
		return strdup(CM_NOCREATE_FILE);
	if (strncmp(role, "local/", 6) == 0 && is_local(role + 6))
		return asprintf(&path, "/%s", role + 6) >= 0 ? path : NULL;
	*trusted_r = false;
	if (strcmp(role, "tls/certificate") == 0)
		return strdup(config->tls_certificate);
	if (strcmp(role, "tls/key") == 0)
		return strdup(config->tls_key);
	if (strncmp(role, "key/", 4) == 0)
		return file_of_key(config, role + 4);
	if (strncmp(role, "dkim/", 5) == 0 && plain(role + 5))
		return asprintf(&path, "%s/%s", config->dkim_keys_dir, role + 5) >= 0 ? path : NULL;
	return NULL;
}

static bool is_below(const char *path, const char *directory)
{
	return strncmp(path, directory, strlen(directory)) == 0;
}

static bool is_usual(const char *path, const char *const *allowed)
{
	if (strstr(path, "/../") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(usual_places) / sizeof(usual_places[0]); i++)
		if (is_below(path, usual_places[i]))
			return true;
	for (; *allowed != NULL; allowed++)
		if (is_below(path, *allowed) && path[strlen(*allowed)] == '/')
			return true;
	return false;
}

char *cm_relay_file_path(const struct cm_config *config, const char *role,
			 const char *const *allowed, struct cm_error *err)
{
	bool trusted;
	char *path = find_path(config, role, &trusted);

	if (path == NULL || path[0] != '/') {
		cm_error_set(err, "relay/%s of the archive: no such file on this relay", role);
		free(path);
		return NULL;
	}
	if (trusted || is_usual(path, allowed))
		return path;
	cm_error_set(err,
		     "%s: not in an expected directory; if the place is right, allow its directory "
		     "with --allow",
		     path);
	free(path);
	return NULL;
}
