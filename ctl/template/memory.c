#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t of_machine(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);

	return pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : UINT64_MAX;
}

/* The number in a file; "max", or no such file, is no limit. */
static uint64_t limit_in(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t limit = UINT64_MAX;
	unsigned long long number;

	if (file == NULL)
		return UINT64_MAX;
	if (fscanf(file, "%llu", &number) == 1)
		limit = number;
	fclose(file);
	return limit;
}

/* The lowest limit of a group and of those above it. Truncates group. */
static uint64_t limit_of_group(const char *mount, char *group, const char *name)
{
	uint64_t limit = UINT64_MAX;
	char *path, *slash;

	for (;;) {
		if (asprintf(&path, "%s%s/%s", mount, group, name) < 0)
			return limit;
		limit = smaller(limit, limit_in(path));
		free(path);
		slash = strrchr(group, '/');
		if (slash == NULL)
			return limit;
		*slash = '\0';
	}
}

/* A line of /proc/self/cgroup, NUMBER:CONTROLLERS:GROUP. Version 2 has no controllers there. */
static uint64_t limit_of_line(char *line)
{
	char *controllers = strchr(line, ':'), *group;

	if (controllers == NULL)
		return UINT64_MAX;
	group = strchr(++controllers, ':');
	if (group == NULL)
		return UINT64_MAX;
	*group++ = '\0';
	group[strcspn(group, "\n")] = '\0';
	if (*controllers == '\0')
		return limit_of_group("/sys/fs/cgroup", group, "memory.max");
	if (strcmp(controllers, "memory") == 0)
		return limit_of_group("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
	return UINT64_MAX;
}

uint64_t cm_memory_total(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	uint64_t total = of_machine();
	char *line = NULL;
	size_t size = 0;

	while (file != NULL && getline(&line, &size, file) > 0)
		total = smaller(total, limit_of_line(line));
	free(line);
	if (file != NULL)
		fclose(file);
	return total;
}
