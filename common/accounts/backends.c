#include "backends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend_client.h"
#include "file.h"

bool cm_backends_used(const struct cm_config *config)
{
	/* A configuration that was not read from a file has no backends. */
	return config->backends != NULL && config->backends[0] != '\0';
}

static char *map_path(const struct cm_config *config, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/" CM_BACKENDS_MAP_DIR "%s%s", config->mailboxes_dir,
		     name[0] != '\0' ? "/" : "", name) < 0)
		return NULL;
	return path;
}

/* The recorded backend; host_r is "" if none is recorded. */
static bool look_up(const struct cm_config *config, const struct cm_address *address,
		    char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err)
{
	char *path = map_path(config, address->text);
	ssize_t length = path != NULL ? readlink(path, host_r, CM_BACKEND_HOST_SIZE - 1) : -1;
	bool absent = path != NULL && length < 0 && (errno == ENOENT || errno == ENOTDIR);

	host_r[length > 0 ? length : 0] = '\0';
	free(path);
	if (length > 0 || absent)
		return true;
	cm_error_set_errno(err, "%s/" CM_BACKENDS_MAP_DIR ": cannot be read",
			   config->mailboxes_dir);
	return false;
}

static enum cm_account_status search(const struct cm_config *config,
				     const struct cm_address *address,
				     char (*hosts)[CM_BACKEND_HOST_SIZE],
				     char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err)
{
	enum cm_account_status status = CM_ACCOUNT_ABSENT;
	int best;
	size_t count =
	    cm_backend_list_rank(config->backends, address->text, hosts, CM_BACKENDS_MAX, &best);

	/* Backends that are being emptied and rank before the best one have the accounts that
	   were created when they were the best. */
	if (!config->backends_search && best >= 0)
		count = (size_t)best + 1;
	for (size_t i = 0; i < count; i++) {
		struct cm_error why = {""};

		switch (cm_backend_has(hosts[i], address->text, &why)) {
		case CM_ACCOUNT_OK:
			memcpy(host_r, hosts[i], CM_BACKEND_HOST_SIZE);
			return CM_ACCOUNT_OK;
		case CM_ACCOUNT_ABSENT:
			break;
		default:
			status = CM_ACCOUNT_TROUBLE;
			*err = why;
		}
	}
	if (status != CM_ACCOUNT_ABSENT)
		return status;
	if (best < 0) {
		cm_error_set(err, "backends: no backend accepts new accounts");
		return CM_ACCOUNT_TROUBLE;
	}
	memcpy(host_r, hosts[best], CM_BACKEND_HOST_SIZE);
	return CM_ACCOUNT_ABSENT;
}

enum cm_account_status cm_backends_find(const struct cm_config *config,
					const struct cm_address *address,
					char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err)
{
	struct cm_error ignored, recorded = {""};
	char(*hosts)[CM_BACKEND_HOST_SIZE];
	enum cm_account_status status = CM_ACCOUNT_ABSENT, found = CM_ACCOUNT_TROUBLE;

	if (err == NULL)
		err = &ignored;
	if (!look_up(config, address, host_r, err))
		return CM_ACCOUNT_TROUBLE;
	if (host_r[0] != '\0')
		status = cm_backend_has(host_r, address->text, &recorded);
	if (status == CM_ACCOUNT_OK)
		return CM_ACCOUNT_OK;
	hosts = calloc(CM_BACKENDS_MAX, sizeof(*hosts));
	if (hosts != NULL)
		found = search(config, address, hosts, host_r, err);
	else
		cm_error_set(err, "out of memory");
	free(hosts);
	if (found != CM_ACCOUNT_ABSENT || status != CM_ACCOUNT_TROUBLE)
		return found;
	/* The recorded backend may have it. */
	*err = recorded;
	return CM_ACCOUNT_TROUBLE;
}

bool cm_backends_note(const struct cm_config *config, const struct cm_address *address,
		      const char *host, struct cm_error *err)
{
	char *directory = map_path(config, ""), *path = map_path(config, address->text);
	char *temporary = NULL, name[CM_FILE_RANDOM_SIZE];
	bool good = directory != NULL && path != NULL;

	if (good && host == NULL) {
		good = unlink(path) == 0 || errno == ENOENT;
	} else if (good) {
		good = (mkdir(directory, 0700) == 0 || errno == EEXIST) &&
		       cm_file_random_name(name) &&
		       asprintf(&temporary, "%s/.%s", directory, name) >= 0 &&
		       symlink(host, temporary) == 0 && rename(temporary, path) == 0;
	}
	if (!good)
		cm_error_set_errno(err, "%s/" CM_BACKENDS_MAP_DIR ": cannot be written",
				   config->mailboxes_dir);
	free(temporary);
	free(path);
	free(directory);
	return good;
}

/* Whether the account of a link is not here; it may have left a while ago. */
static bool is_gone(const struct cm_config *config, const struct cm_address *address)
{
	struct stat st;
	char *path;
	bool gone;

	if (asprintf(&path, "%s/%s/" CM_ACCOUNT_PASSWORD_FILE, config->mailboxes_dir,
		     address->text) < 0)
		return false;
	gone = lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
	free(path);
	return gone;
}

bool cm_backends_blocked(const struct cm_config *config, const struct cm_address *address)
{
	bool blocked = true;
	struct stat st;
	time_t age;
	char *path;

	if (config->backend_listen == NULL || config->backend_listen[0] == '\0')
		return false;
	path = map_path(config, address->text);
	if (path == NULL)
		return true;
	if (lstat(path, &st) < 0) {
		blocked = errno != ENOENT && errno != ENOTDIR;
	} else {
		age = time(NULL) - st.st_mtime;
		/* A new account may have this address. */
		if ((age >= CM_BACKENDS_LEFT || age < 0) && is_gone(config, address))
			blocked = unlink(path) < 0;
	}
	free(path);
	return blocked;
}
