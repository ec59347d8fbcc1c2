#include "manifest.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_option(const char *option, struct cm_manifest_row *row)
{
	const struct group *group;
	char *end;

	if (strcmp(option, "once") == 0) {
		row->once = true;
		return true;
	}
	if (strncmp(option, "group=", 6) == 0) {
		group = getgrnam(option + 6);
		if (group != NULL)
			row->owner.gid = group->gr_gid;
		return true;
	}
	if (strncmp(option, "mode=", 5) != 0)
		return false;
	row->owner.mode = (mode_t)strtoul(option + 5, &end, 8);
	return end != option + 5 && *end == '\0' && row->owner.mode <= 0777;
}

/* An absolute path without "..". */
static bool is_clean(const char *path)
{
	return path != NULL && strstr(path, "/../") == NULL && strstr(path, "//") == NULL;
}

static bool read_row(char *line, struct cm_manifest_row *row)
{
	char *rest, *option;

	*row = (struct cm_manifest_row){.owner = {0644, geteuid(), getegid()}};
	row->template = strtok_r(line, " \t", &rest);
	row->destination = strtok_r(NULL, " \t", &rest);
	if (!is_clean(row->template) || strchr(row->template, '/') == NULL ||
	    row->template[0] == '/' || !is_clean(row->destination) || row->destination[0] != '/')
		return false;
	while ((option = strtok_r(NULL, " \t", &rest)) != NULL)
		if (!read_option(option, row))
			return false;
	return true;
}

bool cm_manifest_read(const char *file, const char *rendered, struct cm_manifest *manifest_r,
		      struct cm_error *err)
{
	char *rest, *line;
	size_t lines = 1;

	*manifest_r = (struct cm_manifest){.text = strdup(rendered)};
	for (const char *c = rendered; *c != '\0'; c++)
		lines += *c == '\n';
	manifest_r->rows = calloc(lines, sizeof(*manifest_r->rows));
	if (manifest_r->text == NULL || manifest_r->rows == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	for (line = strtok_r(manifest_r->text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
			continue;
		if (!read_row(line, &manifest_r->rows[manifest_r->count])) {
			cm_error_set(err, "%s: not TEMPLATE DESTINATION [OPTION]...: %s", file,
				     line);
			return false;
		}
		manifest_r->count++;
	}
	return true;
}

void cm_manifest_free(struct cm_manifest *manifest)
{
	free(manifest->text);
	free(manifest->rows);
	*manifest = (struct cm_manifest){0};
}
