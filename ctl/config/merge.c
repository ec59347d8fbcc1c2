#include "merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process.h"

enum { MINE, BASE, THEIRS, SIDES };

/* Writes the sides to files in workdir, whose names it stores in paths. An absent side is an
   empty file. */
static bool write_sides(const char *workdir, const struct cm_managed *const *sides, size_t count,
			char **paths, struct cm_error *err)
{
	static const char *const names[SIDES] = {"mine", "base", "theirs"};
	const struct cm_owner owner = {0600, geteuid(), getegid()};
	char nothing[] = "";

	for (size_t i = 0; i < count; i++) {
		struct cm_managed side = *sides[i];

		if (side.data == NULL)
			side.data = nothing;
		if (asprintf(&paths[i], "%s/%s", workdir, names[i]) < 0) {
			paths[i] = NULL;
			cm_error_set(err, "out of memory");
			return false;
		}
		if (!cm_managed_write(paths[i], &side, &owner, false, err))
			return false;
	}
	return true;
}

static bool run(const char *const *argv, struct cm_process_result *result, struct cm_error *err)
{
	if (!cm_process_run(argv, false, result, err))
		return false;
	if (result->status <= 1)
		return true;
	if (result->status == CM_PROCESS_NOT_FOUND)
		cm_error_set(err, "%s: not installed: it is in the package diffutils", argv[0]);
	else
		cm_error_set(err, "%s: failed with exit status %d", argv[0], result->status);
	free(result->output);
	result->output = NULL;
	return false;
}

enum cm_merge cm_merge(const char *workdir, const struct cm_managed *base,
		       const struct cm_managed *mine, const struct cm_managed *theirs,
		       struct cm_managed *merged_r, struct cm_error *err)
{
	const struct cm_managed *sides[SIDES] = {mine, base, theirs};
	enum cm_merge outcome = CM_MERGE_FAILED;
	struct cm_process_result result = {0};
	char *paths[SIDES] = {NULL};

	*merged_r = (struct cm_managed){NULL, 0};
	if (write_sides(workdir, sides, SIDES, paths, err)) {
		const char *const argv[] = {"diff3",     "-a",        "-m",          "-E", "--",
					    paths[MINE], paths[BASE], paths[THEIRS], NULL};

		if (run(argv, &result, err))
			outcome = result.status == 0 ? CM_MERGE_CLEAN : CM_MERGE_CONFLICT;
	}
	if (outcome == CM_MERGE_CLEAN)
		*merged_r = (struct cm_managed){result.output, result.length};
	else
		free(result.output);
	for (size_t i = 0; i < SIDES; i++)
		free(paths[i]);
	return outcome;
}

char *cm_merge_diff(const char *workdir, const struct cm_managed *from, const char *from_label,
		    const struct cm_managed *to, const char *to_label, struct cm_error *err)
{
	const struct cm_managed *sides[2] = {from, to};
	struct cm_process_result result = {0};
	char *paths[2] = {NULL};

	if (write_sides(workdir, sides, 2, paths, err)) {
		const char *const argv[] = {"diff", "-a",     "-u",     "-L",     from_label,
					    "-L",   to_label, paths[0], paths[1], NULL};

		(void)run(argv, &result, err);
	}
	free(paths[0]);
	free(paths[1]);
	return result.output;
}
