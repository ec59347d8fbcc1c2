#include "appversions.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>

#define APPVERSIONS_FILE "appversions.json"

/* A larger file is an error, because each client requests it. */
#define APPVERSIONS_MAX (64 * 1024)

static const char *const paths[] = {
    CM_SYSCONFDIR "/chatmail/" APPVERSIONS_FILE,
    CM_DATADIR "/" APPVERSIONS_FILE,
};

static bool compact(const char *path, const char *text, size_t length, char **text_r,
		    struct cm_error *err)
{
	json_error_t json_error;
	json_t *root = json_loadb(text, length, 0, &json_error);

	*text_r = NULL;
	if (json_is_object(root))
		*text_r = json_dumps(root, JSON_COMPACT);
	if (root == NULL)
		cm_error_set(err, "%s, line %d: %s", path, json_error.line, json_error.text);
	else if (*text_r == NULL)
		cm_error_set(err, "%s: not a JSON object", path);
	json_decref(root);
	return *text_r != NULL;
}

bool cm_appversions_read(char **text_r, struct cm_error *err)
{
	char *text;
	size_t length;
	bool good;

	*text_r = NULL;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (cm_file_read(AT_FDCWD, paths[i], APPVERSIONS_MAX, &text, &length)) {
			good = compact(paths[i], text, length, text_r, err);
			free(text);
			return good;
		}
		if (errno != ENOENT) {
			cm_error_set_errno(err, "%s: cannot be read", paths[i]);
			return false;
		}
	}
	return true;
}
