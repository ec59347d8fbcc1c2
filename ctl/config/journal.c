#include "journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "merge.h"

/* Entries kept for rollback. */
#define JOURNAL_KEPT 10

/* The contents in an entry: directory and member. */
static const struct {
	const char *name;
	size_t offset;
} parts[] = {
    {"/before", offsetof(struct cm_change, before)},
    {"/after", offsetof(struct cm_change, after)},
    {"/base-before", offsetof(struct cm_change, base_before)},
    {"/base-after", offsetof(struct cm_change, base_after)},
};

#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

static struct cm_managed *part_of(const struct cm_change *change, size_t part)
{
	return (struct cm_managed *)((char *)change + parts[part].offset);
}

static struct cm_owner private_owner(void)
{
	return (struct cm_owner){0600, geteuid(), getegid()};
}

static char *entry_path(const char *entry, const char *name, const char *path, struct cm_error *err)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", entry, name, path) >= 0)
		return joined;
	cm_error_set(err, "out of memory");
	return NULL;
}

static bool write_file(const char *entry, const char *name, const char *path,
		       const struct cm_managed *content, struct cm_error *err)
{
	const struct cm_owner owner = private_owner();
	char *file = entry_path(entry, name, path, err);
	bool good = file != NULL &&
		    (content->data == NULL || cm_managed_write(file, content, &owner, false, err));

	free(file);
	return good;
}

static bool write_list(const char *entry, const struct cm_changes *changes, unsigned int undoes,
		       struct cm_error *err)
{
	struct cm_managed list = {NULL, 0};
	FILE *stream = open_memstream(&list.data, &list.length);
	char number[16];
	bool good;

	if (stream == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	for (size_t i = 0; i < changes->count; i++) {
		const struct cm_change *change = &changes->list[i];

		if (cm_change_pending(change))
			fprintf(stream, "%o %u %u %s\n", (unsigned int)change->owner.mode,
				(unsigned int)change->owner.uid, (unsigned int)change->owner.gid,
				change->path);
	}
	good =
	    fclose(stream) == 0 && list.data != NULL && write_file(entry, "/list", "", &list, err);
	free(list.data);
	if (good && undoes > 0) {
		snprintf(number, sizeof(number), "%u", undoes);
		good = write_file(entry, "/undoes", "",
				  &(struct cm_managed){number, strlen(number)}, err);
	}
	return good;
}

static bool write_entry(const char *entry, const struct cm_changes *changes, unsigned int undoes,
			struct cm_error *err)
{
	bool good = cm_file_make_directories(entry, 0700);

	if (!good)
		cm_error_set_errno(err, "%s: cannot be created", entry);
	for (size_t i = 0; good && i < changes->count; i++)
		if (cm_change_pending(&changes->list[i]))
			for (size_t part = 0; good && part < PART_COUNT; part++)
				good = write_file(entry, parts[part].name, changes->list[i].path,
						  part_of(&changes->list[i], part), err);
	return good && write_list(entry, changes, undoes, err);
}

/* Renames durably within the state directory, after the written files have reached the disk:
   one syncfs() instead of hundreds of fsync(). */
static bool move(const struct cm_state *state, const char *from, const char *to,
		 struct cm_error *err)
{
	int directory = open(state->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = directory >= 0 && syncfs(directory) == 0 &&
		    renameat(directory, from, directory, to) == 0 && fsync(directory) == 0;

	if (!good)
		cm_error_set_errno(err, "%s/%s: cannot be renamed to %s", state->directory, from,
				   to);
	if (directory >= 0)
		close(directory);
	return good;
}

/* --- Carrying out --------------------------------------------------------------------------- */

static bool read_change(const char *entry, char *line, struct cm_changes *changes,
			struct cm_error *err)
{
	unsigned int mode, uid, gid;
	struct cm_change *change;
	int start = 0;

	if (sscanf(line, "%o %u %u %n", &mode, &uid, &gid, &start) != 3 || line[start] != '/') {
		cm_error_set(err, "%s/list: damaged: %s", entry, line);
		return false;
	}
	change = cm_changes_add(changes, line + start);
	if (change == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	change->owner = (struct cm_owner){mode, uid, gid};
	for (size_t part = 0; part < PART_COUNT; part++) {
		char *file = entry_path(entry, parts[part].name, change->path, err);
		bool good = file != NULL && cm_managed_read(file, part_of(change, part), NULL, err);

		free(file);
		if (!good)
			return false;
	}
	return true;
}

static bool read_entry(const char *entry, struct cm_changes *changes_r, struct cm_error *err)
{
	char *path = entry_path(entry, "/list", "", err);
	struct cm_managed list = {NULL, 0};
	bool good = path != NULL && cm_managed_read(path, &list, NULL, err);
	char *rest;

	*changes_r = (struct cm_changes){0};
	if (good && list.data == NULL) {
		cm_error_set(err, "%s: does not exist", path);
		good = false;
	}
	if (good)
		for (char *line = strtok_r(list.data, "\n", &rest); good && line != NULL;
		     line = strtok_r(NULL, "\n", &rest))
			good = read_change(entry, line, changes_r, err);
	cm_managed_free(&list);
	free(path);
	return good;
}

/* The operator edited the file after the commit: merge both changes, or write the new text
   beside the file and drop the change. */
static bool merge_late(const struct cm_state *state, struct cm_change *change, const char *target,
		       struct cm_managed *disk, struct cm_error *err)
{
	struct cm_managed merged = {NULL, 0};
	char *beside;
	bool good;

	if (disk->data != NULL && change->after.data != NULL) {
		switch (
		    cm_merge(state->workdir, &change->before, disk, &change->after, &merged, err)) {
		case CM_MERGE_FAILED:
			return false;
		case CM_MERGE_CLEAN:
			good = cm_managed_write(target, &merged, &change->owner, true, err);
			cm_managed_free(&merged);
			return good;
		case CM_MERGE_CONFLICT:
			break;
		}
	}
	beside = entry_path(target, CM_JOURNAL_NEW, "", err);
	good =
	    beside != NULL && cm_managed_write(beside, &change->after, &change->owner, true, err);
	free(beside);
	cm_managed_free(&change->base_after);
	return good && cm_managed_copy(&change->base_before, &change->base_after, err);
}

static bool carry_out(const struct cm_state *state, struct cm_change *change, struct cm_error *err)
{
	const struct cm_owner owner = private_owner();
	char *target = cm_state_target(state, change->path, err);
	char *base = cm_state_path(state, "base", change->path, err);
	struct cm_managed disk = {NULL, 0};
	bool good = target != NULL && base != NULL;

	if (good) {
		cm_managed_clean(target);
		cm_managed_clean(base);
	}
	good = good && cm_managed_read(target, &disk, NULL, err);
	if (good && !cm_managed_equal(&disk, &change->after)) {
		if (cm_managed_equal(&disk, &change->before))
			good = cm_managed_write(target, &change->after, &change->owner, true, err);
		else
			good = merge_late(state, change, target, &disk, err);
	}
	good = good && cm_managed_write(base, &change->base_after, &owner, false, err);
	cm_managed_free(&disk);
	free(target);
	free(base);
	return good;
}

/* The finished entry becomes history; a rollback removes its entry from history. */
static bool archive(const struct cm_state *state, const char *commit, struct cm_error *err)
{
	unsigned int number = cm_state_newest(state) + 1;
	char *undoes = entry_path(commit, "/undoes", "", err);
	char *history = cm_state_path(state, "history", NULL, err);
	struct cm_managed undone = {NULL, 0};
	char name[64], *old = NULL;
	bool good =
	    undoes != NULL && history != NULL && cm_managed_read(undoes, &undone, NULL, err);

	if (good && undone.data != NULL) {
		if (asprintf(&old, "%s/%06lu", history, strtoul(undone.data, NULL, 10)) < 0)
			old = NULL;
		if (old != NULL)
			cm_state_remove_tree(old);
		/* If the process is killed here, next/ remains, and the next run removes it. */
		good = move(state, "commit", "next", err);
		free(old);
		old = cm_state_path(state, "next", NULL, err);
		if (good && old != NULL)
			cm_state_remove_tree(old);
	} else if (good) {
		(void)mkdir(history, 0700);
		snprintf(name, sizeof(name), "history/%06u", number);
		good = move(state, "commit", name, err);
		if (number > JOURNAL_KEPT &&
		    asprintf(&old, "%s/%06u", history, number - JOURNAL_KEPT) >= 0)
			cm_state_remove_tree(old);
	}
	free(old);
	cm_managed_free(&undone);
	free(undoes);
	free(history);
	return good;
}

static bool finish(const struct cm_state *state, struct cm_error *err)
{
	char *commit = cm_state_path(state, "commit", NULL, err);
	struct cm_changes changes = {0};
	bool good = commit != NULL && read_entry(commit, &changes, err);

	for (size_t i = 0; good && i < changes.count; i++)
		good = carry_out(state, &changes.list[i], err);
	good = good && archive(state, commit, err);
	cm_changes_free(&changes);
	free(commit);
	return good;
}

/* Writes the new content to a temporary file, whose path, malloc'd, is *path_r. */
static bool try_file(const struct cm_state *state, const struct cm_change *change, char **path_r,
		     struct cm_error *err)
{
	char random[CM_FILE_RANDOM_SIZE], *target;
	bool good;

	*path_r = NULL;
	if (change->after.data == NULL || cm_managed_equal(&change->before, &change->after))
		return true;
	target = cm_state_target(state, change->path, err);
	if (target == NULL)
		return false;
	good = cm_file_random_name(random) &&
	       asprintf(path_r, "%.*s/" CM_MANAGED_TEMPORARY "%s",
			(int)(strrchr(target, '/') - target), target, random) >= 0 &&
	       cm_managed_write(*path_r, &change->after, &change->owner, false, NULL);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be written, so nothing was changed", target);
	free(target);
	return good;
}

/* True if all files can be written: finds a full or read-only disk before the first change. */
static bool try_all(const struct cm_state *state, const struct cm_changes *changes,
		    struct cm_error *err)
{
	char **paths = calloc(changes->count + 1, sizeof(*paths));
	bool good = paths != NULL;

	if (!good)
		cm_error_set(err, "out of memory");
	for (size_t i = 0; good && i < changes->count; i++)
		good = try_file(state, &changes->list[i], &paths[i], err);
	for (size_t i = 0; paths != NULL && i < changes->count; i++) {
		if (paths[i] != NULL)
			(void)unlink(paths[i]);
		free(paths[i]);
	}
	free(paths);
	return good;
}

bool cm_journal_commit(const struct cm_state *state, const struct cm_changes *changes,
		       unsigned int undoes, struct cm_error *err)
{
	char *next = cm_state_path(state, "next", NULL, err);
	bool pending = false, good;

	for (size_t i = 0; i < changes->count; i++)
		pending = pending || cm_change_pending(&changes->list[i]);
	good =
	    next != NULL &&
	    (!pending || (try_all(state, changes, err) && write_entry(next, changes, undoes, err) &&
			  move(state, "next", "commit", err) && finish(state, err)));
	free(next);
	return good;
}

bool cm_journal_interrupted(const struct cm_state *state)
{
	char *commit = cm_state_path(state, "commit", NULL, NULL);
	bool interrupted = commit != NULL && access(commit, F_OK) == 0;

	free(commit);
	return interrupted;
}

bool cm_journal_recover(const struct cm_state *state, bool *recovered_r, struct cm_error *err)
{
	*recovered_r = cm_journal_interrupted(state);
	return !*recovered_r || finish(state, err);
}

bool cm_journal_read(const struct cm_state *state, unsigned int number,
		     struct cm_changes *changes_r, struct cm_error *err)
{
	char name[32], *entry;
	bool good;

	snprintf(name, sizeof(name), "/%06u", number);
	entry = cm_state_path(state, "history", name, err);
	*changes_r = (struct cm_changes){0};
	good = entry != NULL && read_entry(entry, changes_r, err);
	free(entry);
	return good;
}
