#include "resources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DISK_KEY "min_free_disk_space"

/* "KEY = VALUE is not met: ..." */
static void not_met(const struct cm_config *config, const char *key, struct cm_error *err,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void not_met(const struct cm_config *config, const char *key, struct cm_error *err,
		    const char *format, ...)
{
	char *value = cm_config_get(config, key);
	char text[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cm_error_set(err, "%s = %s is not met: %s", key, value != NULL ? value : "", text);
	free(value);
}

static bool available_memory(uint64_t *bytes_r, struct cm_error *err)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kilobytes;
	char line[256];
	bool found = false;

	if (file == NULL) {
		cm_error_set_errno(err, "/proc/meminfo: cannot be opened");
		return false;
	}
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1;
	fclose(file);
	if (found)
		*bytes_r = (uint64_t)kilobytes * 1024;
	else
		cm_error_set(err, "/proc/meminfo: MemAvailable is missing");
	return found;
}

/* The file system of mailboxes_dir, or of its future parent. */
static bool examine_disk(const char *directory, struct statvfs *st_r, struct cm_error *err)
{
	char *path = strdup(directory);
	char *slash;
	int result = -1;

	if (path == NULL)
		errno = ENOMEM;
	else
		while ((result = statvfs(path, st_r)) < 0 && errno == ENOENT &&
		       (slash = strrchr(path, '/')) != NULL && slash[1] != '\0')
			slash[slash == path] = '\0';
	if (result != 0)
		cm_error_set_errno(err, "%s: cannot examine the file system", directory);
	free(path);
	return result == 0;
}

static enum cm_resource check_load(const struct cm_config *config, struct cm_error *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	double load;

	if (config->max_load_1m <= 0)
		return CM_RESOURCE_OK;
	if (getloadavg(&load, 1) != 1) {
		cm_error_set(err, "cannot read the load average");
		return CM_RESOURCE_TROUBLE;
	}
	load /= (double)(processors > 0 ? processors : 1);
	if (load <= config->max_load_1m)
		return CM_RESOURCE_OK;
	not_met(config, "max_load_1m", err, "the load of each processor is %.2f", load);
	return CM_RESOURCE_LOAD;
}

static enum cm_resource check_memory(const struct cm_config *config, struct cm_error *err)
{
	uint64_t bytes;

	if (config->min_available_memory == 0)
		return CM_RESOURCE_OK;
	if (!available_memory(&bytes, err))
		return CM_RESOURCE_TROUBLE;
	if (bytes >= config->min_available_memory)
		return CM_RESOURCE_OK;
	not_met(config, "min_available_memory", err, "%" PRIu64 "M are available", bytes >> 20);
	return CM_RESOURCE_MEMORY;
}

static enum cm_resource check_disk(const struct cm_config *config, struct cm_error *err)
{
	struct statvfs st;
	uint64_t bytes, inodes;

	if (config->min_free_disk_space == 0)
		return CM_RESOURCE_OK;
	if (!examine_disk(config->mailboxes_dir, &st, err))
		return CM_RESOURCE_TROUBLE;
	bytes = (uint64_t)st.f_bavail * st.f_frsize;
	inodes = config->min_free_disk_space / CM_RESOURCE_INODE_BYTES;
	if (bytes < config->min_free_disk_space) {
		not_met(config, DISK_KEY, err, "%" PRIu64 "M are free", bytes >> 20);
		return CM_RESOURCE_DISK;
	}
	/* Some file systems, such as btrfs, create inodes on demand and count none. */
	if (st.f_files > 0 && st.f_favail < inodes) {
		not_met(config, DISK_KEY, err, "%" PRIu64 " inodes are free, not %" PRIu64,
			(uint64_t)st.f_favail, inodes);
		return CM_RESOURCE_INODES;
	}
	return CM_RESOURCE_OK;
}

enum cm_resource cm_resources_check(const struct cm_config *config, struct cm_error *err)
{
	enum cm_resource result = check_load(config, err);

	if (result == CM_RESOURCE_OK)
		result = check_memory(config, err);
	if (result == CM_RESOURCE_OK)
		result = check_disk(config, err);
	return result;
}
