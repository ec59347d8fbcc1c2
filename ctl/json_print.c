#include "json_print.h"

#include <stdio.h>

static bool print(json_t *json, size_t flags, struct cm_error *err)
{
	bool good = json != NULL && (json_dumpf(json, stdout, flags) == 0 || ferror(stdout));

	if (good)
		putchar('\n');
	else
		cm_error_set(err, "out of memory");
	json_decref(json);
	return good;
}

bool cm_json_print(json_t *json, struct cm_error *err)
{
	return print(json, JSON_INDENT(2), err);
}

bool cm_json_print_line(json_t *json, struct cm_error *err)
{
	return print(json, JSON_COMPACT, err);
}
