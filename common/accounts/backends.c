#include "backends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend_client.h"
#include "config_value.h"
#include "file.h"
#include "keyed_hash.h"

#define BLANKS " \t,"

struct rank {
	uint64_t weight;
	bool draining;
	char host[CM_BACKEND_HOST_SIZE];
};

/* The next word of a list; its length, 0 at the end. */
static size_t next_word(const char **list)
{
	*list += strspn(*list, BLANKS);
	return strcspn(*list, BLANKS);
}

bool cm_backends_used(const struct cm_config *config)
{
	/* A configuration that was not read from a file has no backends. */
	return config->backends != NULL && config->backends[0] != '\0';
}

bool cm_backends_valid(const char *text)
{
	size_t count = 0, length;

	while ((length = next_word(&text)) > 0) {
		size_t skip = text[0] == '-';

		if (!cm_value_is_ip(text + skip, length - skip) || ++count > CM_BACKENDS_MAX)
			return false;
		text += length;
	}
	return true;
}

/* The same on every front, whatever its architecture. */
static uint64_t weigh(const char *host, const char *address)
{
	static const uint64_t key[2] = {0x63686174, 0x6d61696c};
	char text[CM_BACKEND_HOST_SIZE + CM_ADDRESS_MAX + 2];
	int length = snprintf(text, sizeof(text), "%s %s", host, address);

	return cm_keyed_hash(key, text,
			     length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

static int compare(const void *a, const void *b)
{
	const struct rank *one = a, *other = b;

	if (one->weight != other->weight)
		return one->weight > other->weight ? -1 : 1;
	return strcmp(one->host, other->host);
}

static size_t read_list(const char *list, const char *address, struct rank *ranks, size_t max)
{
	size_t count = 0, length;

	while (count < max && (length = next_word(&list)) > 0) {
		struct rank *rank = &ranks[count];
		size_t skip = list[0] == '-';

		if (length - skip < sizeof(rank->host)) {
			memcpy(rank->host, list + skip, length - skip);
			rank->host[length - skip] = '\0';
			rank->draining = skip > 0;
			rank->weight = weigh(rank->host, address);
			count++;
		}
		list += length;
	}
	qsort(ranks, count, sizeof(*ranks), compare);
	return count;
}

size_t cm_backends_rank(const char *backends, const char *address,
			char hosts_r[][CM_BACKEND_HOST_SIZE], size_t max, int *best_r)
{
	struct rank *ranks = calloc(max, sizeof(*ranks));
	size_t count = ranks != NULL ? read_list(backends, address, ranks, max) : 0;

	*best_r = -1;
	for (size_t i = 0; i < count; i++) {
		memcpy(hosts_r[i], ranks[i].host, sizeof(ranks[i].host));
		if (*best_r < 0 && !ranks[i].draining)
			*best_r = (int)i;
	}
	free(ranks);
	return count;
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
	    cm_backends_rank(config->backends, address->text, hosts, CM_BACKENDS_MAX, &best);

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
	struct cm_error ignored;
	char(*hosts)[CM_BACKEND_HOST_SIZE];
	enum cm_account_status status = CM_ACCOUNT_TROUBLE;

	if (err == NULL)
		err = &ignored;
	if (!look_up(config, address, host_r, err))
		return CM_ACCOUNT_TROUBLE;
	if (host_r[0] == CM_BACKENDS_MOVING) {
		memmove(host_r, host_r + 1, strlen(host_r));
		cm_error_set(err, "the account is being moved");
		return CM_ACCOUNT_TROUBLE;
	}
	if (host_r[0] != '\0')
		return CM_ACCOUNT_OK;
	hosts = calloc(CM_BACKENDS_MAX, sizeof(*hosts));
	if (hosts != NULL)
		status = search(config, address, hosts, host_r, err);
	else
		cm_error_set(err, "out of memory");
	free(hosts);
	return status;
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
