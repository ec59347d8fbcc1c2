#include "mailbox_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "directory.h"
#include "file.h"
#include "mailbox_names.h"
#include "maildir_walk.h"

/* A mailbox that gets many messages is searched again, but not for ever. */
#define PASSES_MAX 5

/* Files other than messages are read completely, because they may grow meanwhile. */
#define SMALL_FILE_MAX (64 * 1024 * 1024)

#define READ_TRIES 100

#define NAME_SIZE 4096

struct names {
	char **name;
	size_t count, room;
};

struct packing {
	struct cm_archive_writer *writer;
	struct cm_error *err;
	void *packed; /* tree of names of messages without flags, of one folder */
	bool again;   /* a message arrived or was renamed */
};

static bool pack_directory(struct packing *packing, int fd, const char *name, unsigned int depth);

static bool out_of_memory(struct packing *packing)
{
	cm_error_set(packing->err, "out of memory");
	return false;
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct names){0};
}

static bool add_name(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room == 0 ? 64 : names->room * 2;
		char **more = realloc(names->name, room * sizeof(*more));

		if (more == NULL)
			return false;
		names->name = more;
		names->room = room;
	}
	names->name[names->count] = strdup(name);
	return names->name[names->count++] != NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names, sorted; none if the directory is gone. */
static bool list_names(struct packing *packing, int parent_fd, const char *name,
		       struct names *names_r)
{
	DIR *directory = cm_directory_stream(cm_directory_open(parent_fd, name));
	const struct dirent *entry;
	bool good = true;

	*names_r = (struct names){0};
	if (directory == NULL) {
		if (errno == ENOENT)
			return true;
		cm_error_set_errno(packing->err, "cannot read a directory");
		return false;
	}
	while (good && (errno = 0, entry = readdir(directory)) != NULL)
		if (!cm_directory_is_dot(entry->d_name))
			good = add_name(names_r, entry->d_name);
	if (good && errno != 0)
		cm_error_set_errno(packing->err, "cannot read a directory");
	good = good && errno == 0;
	closedir(directory);
	qsort(names_r->name, names_r->count, sizeof(*names_r->name), compare);
	return good;
}

static bool join(struct packing *packing, const char *directory, const char *name,
		 char path_r[NAME_SIZE])
{
	int length = snprintf(path_r, NAME_SIZE, "%s/%s", directory, name);

	if (length > 0 && length < NAME_SIZE)
		return true;
	cm_error_set(packing->err, "directories are nested too deeply");
	return false;
}

/* --- Messages ------------------------------------------------------------------------------- */

static int compare_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Records a message by its name without flags. False in *new_r if it is known. */
static bool remember(struct packing *packing, const char *name, bool *new_r)
{
	char *base = strndup(name, strcspn(name, ":")), **found;

	if (base == NULL)
		return out_of_memory(packing);
	found = tsearch(base, &packing->packed, compare_text);
	if (found == NULL) {
		free(base);
		return out_of_memory(packing);
	}
	*new_r = *found == base;
	if (!*new_r)
		free(base);
	return true;
}

static bool known(const struct packing *packing, const char *name)
{
	char *base = strndup(name, strcspn(name, ":"));
	bool found = base != NULL && tfind(base, &packing->packed, compare_text) != NULL;

	free(base);
	return found;
}

/* A message that was renamed or deleted meanwhile is no error: the next pass finds it. */
static bool pack_message(struct packing *packing, int directory_fd, const char *directory,
			 const char *name)
{
	char path[NAME_SIZE];
	struct stat st;
	bool good = true, new = false;
	int fd;

	if (known(packing, name))
		return true;
	packing->again = true;
	fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT || errno == ELOOP)
			return true;
		cm_error_set_errno(packing->err, "cannot open a message");
		return false;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		good = remember(packing, name, &new) && join(packing, directory, name, path) &&
		       cm_archive_put_file(packing->writer, path, fd, &st, packing->err);
	close(fd);
	cm_archive_totals(packing->writer)->messages += good && new;
	return good;
}

static bool pack_part(struct packing *packing, int folder_fd, const char *folder, const char *part)
{
	char path[NAME_SIZE];
	struct names names;
	bool good =
	    list_names(packing, folder_fd, part, &names) && join(packing, folder, part, path);
	int fd = good ? cm_directory_open(folder_fd, part) : -1;

	for (size_t i = 0; good && fd >= 0 && i < names.count; i++)
		good = pack_message(packing, fd, path, names.name[i]);
	if (fd >= 0)
		close(fd);
	free_names(&names);
	return good;
}

static void free_packed(struct packing *packing)
{
	while (packing->packed != NULL) {
		char *name = *(char **)packing->packed;

		tdelete(name, &packing->packed, compare_text);
		free(name);
	}
}

/* A folder has all three, even if they are empty. */
static bool pack_parts(struct packing *packing, int folder_fd, const char *folder)
{
	static const char *const parts[] = {"cur", "new", "tmp"};
	char path[NAME_SIZE];
	struct stat st;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (fstatat(folder_fd, parts[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		if (!join(packing, folder, parts[i], path) ||
		    !cm_archive_put_directory(packing->writer, path, packing->err))
			return false;
	}
	return true;
}

/* new before cur, because messages move that way. */
static bool pack_messages(struct packing *packing, int folder_fd, const char *folder)
{
	bool good = pack_parts(packing, folder_fd, folder);
	int pass = 0;

	while (good) {
		packing->again = false;
		good = pack_part(packing, folder_fd, folder, "new") &&
		       pack_part(packing, folder_fd, folder, "cur");
		if (!packing->again || ++pass == PASSES_MAX)
			break;
	}
	free_packed(packing);
	return good;
}

/* --- Other files ---------------------------------------------------------------------------- */

/* dovecot-uidlist grows by lines; the last one may be half written. */
static size_t whole_lines(const char *name, const char *data, size_t length)
{
	if (strcmp(name, "dovecot-uidlist") == 0)
		while (length > 0 && data[length - 1] != '\n')
			length--;
	return length;
}

static bool pack_file(struct packing *packing, int directory_fd, const char *path, const char *name,
		      const struct stat *st)
{
	size_t length;
	char *data;
	bool good;

	for (int try = 0; !cm_file_read(directory_fd, name, SMALL_FILE_MAX, &data, &length);
	     try++) {
		if (errno == ENOENT)
			return true;
		/* It grew meanwhile. */
		if (errno == EAGAIN && try < READ_TRIES)
			continue;
		cm_error_set_errno(packing->err, "cannot read a file");
		return false;
	}
	good = cm_archive_put_data(packing->writer, path, st, data, whole_lines(name, data, length),
				   packing->err);
	explicit_bzero(data, length);
	free(data);
	return good;
}

static bool is_messages(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

/* directories: only those, otherwise only files. */
static bool pack_entry(struct packing *packing, int fd, const char *directory, const char *name,
		       bool directories, unsigned int depth)
{
	char path[NAME_SIZE];
	struct stat st;
	bool good;
	int child;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	if (directories != (S_ISDIR(st.st_mode) != 0))
		return true;
	if (!directories && cm_mailbox_name_is_passing(name))
		return true;
	if (!join(packing, directory, name, path))
		return false;
	if (S_ISREG(st.st_mode))
		return pack_file(packing, fd, path, name, &st);
	if (!S_ISDIR(st.st_mode))
		return true;
	child = cm_directory_open(fd, name);
	if (child < 0 && errno == ENOENT)
		return true;
	if (child < 0) {
		cm_error_set_errno(packing->err, "cannot open a directory");
		return false;
	}
	good = pack_directory(packing, child, path, depth + 1);
	close(child);
	return good;
}

static bool pack_entries(struct packing *packing, int fd, const char *directory,
			 const struct names *names, bool directories, unsigned int depth)
{
	const char *last = NULL;

	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->name[i];

		/* Without a password it is not an account: an incomplete mailbox gets none. */
		if (strcmp(name, CM_ACCOUNT_PASSWORD_FILE) == 0)
			last = name;
		else if (!is_messages(name) &&
			 !pack_entry(packing, fd, directory, name, directories, depth))
			return false;
	}
	return last == NULL || pack_entry(packing, fd, directory, last, directories, depth);
}

static bool pack_directory(struct packing *packing, int fd, const char *name, unsigned int depth)
{
	struct names names = {0};
	bool good;

	if (depth > CM_MAILDIR_DEPTH_MAX) {
		cm_error_set(packing->err, "directories are nested too deeply");
		return false;
	}
	good = cm_archive_put_directory(packing->writer, name, packing->err) &&
	       pack_messages(packing, fd, name) && list_names(packing, fd, ".", &names) &&
	       pack_entries(packing, fd, name, &names, true, depth) &&
	       pack_entries(packing, fd, name, &names, false, depth);
	free_names(&names);
	return good;
}

bool cm_mailbox_pack(struct cm_archive_writer *writer, int directory_fd, const char *name,
		     struct cm_error *err)
{
	struct packing packing = {.writer = writer, .err = err};

	return pack_directory(&packing, directory_fd, name, 0);
}
