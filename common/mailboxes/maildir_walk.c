#include "maildir_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "directory.h"

/* Longest path of a directory relative to its mailbox, with the terminating NUL. */
#define PATH_SIZE 4096

bool cm_maildir_file_stat(const struct cm_maildir_file *file, struct stat *st_r)
{
	return fstatat(file->directory_fd, file->name, st_r, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st_r->st_mode);
}

bool cm_maildir_last_seen(int mailbox_fd, time_t *seen_r)
{
	struct stat st;

	if (fstatat(mailbox_fd, CM_ACCOUNT_PASSWORD_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = ELOOP;
		return false;
	}
	*seen_r = st.st_mtime;
	return true;
}

/* Decimal digits at text; the value saturates. Returns how many digits there are. */
static size_t parse_digits(const char *text, uint64_t *value_r)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++) {
		unsigned int digit = (unsigned int)(text[i] - '0');

		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			value = UINT64_MAX;
	}
	*value_r = value;
	return i;
}

bool cm_maildir_name_parse(const char *name, time_t *time_r, uint64_t *size_r)
{
	const char *field, *found = NULL;
	uint64_t seconds, size = 0;
	size_t digits = parse_digits(name, &seconds);

	if (digits == 0 || name[digits] != '.' || seconds > (uint64_t)INT64_MAX)
		return false;
	for (field = strstr(name + digits + 1, ",S="); field != NULL;
	     field = strstr(field + 1, ",S=")) {
		if (field > name + digits + 1 && parse_digits(field + 3, &size) > 0)
			found = field;
	}
	if (found == NULL)
		return false;
	(void)parse_digits(found + 3, size_r);
	*time_r = (time_t)seconds;
	return true;
}

/* --- one mailbox --- */

struct walk {
	cm_maildir_file_fn *show;
	void *context;
	struct cm_error *err;
	bool good;
	char path[PATH_SIZE];
};

static void walk_directory(struct walk *walk, int fd, enum cm_maildir_part part,
			   unsigned int depth);

static void walk_trouble(struct walk *walk, const char *what, int error)
{
	if (walk->good) {
		errno = error;
		cm_error_set_errno(walk->err, "%s \"%s\"", what, walk->path);
	}
	walk->good = false;
}

static enum cm_maildir_part part_of(const char *name)
{
	if (strcmp(name, "cur") == 0)
		return CM_MAILDIR_CUR;
	if (strcmp(name, "new") == 0)
		return CM_MAILDIR_NEW;
	if (strcmp(name, "tmp") == 0)
		return CM_MAILDIR_TMP;
	return CM_MAILDIR_EXTRA;
}

static void walk_into(struct walk *walk, int parent_fd, const char *name, unsigned int depth)
{
	size_t length = strlen(walk->path), name_length = strlen(name);
	size_t separator = length > 0 ? 1 : 0;
	int fd;

	if (depth >= CM_MAILDIR_DEPTH_MAX ||
	    length + separator + name_length >= sizeof(walk->path)) {
		walk_trouble(walk, "directories are nested too deeply in", ENAMETOOLONG);
		return;
	}
	if (separator > 0)
		walk->path[length] = '/';
	memcpy(walk->path + length + separator, name, name_length + 1);
	fd = cm_directory_open(parent_fd, name);
	if (fd >= 0)
		walk_directory(walk, fd, part_of(name), depth + 1);
	else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		walk_trouble(walk, "cannot open directory", errno);
	walk->path[length] = '\0';
}

/* Usual file systems set d_type; on others the inode decides. */
static bool entry_is_directory(int fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void walk_entry(struct walk *walk, int fd, const struct dirent *entry,
		       enum cm_maildir_part part, unsigned int depth)
{
	struct cm_maildir_file file = {
	    .directory_fd = fd,
	    .directory = walk->path,
	    .name = entry->d_name,
	    .part = part,
	};

	if (cm_directory_is_dot(entry->d_name))
		return;
	if (entry->d_type == DT_REG)
		walk->show(&file, walk->context);
	else if (entry_is_directory(fd, entry)) {
		if (part == CM_MAILDIR_EXTRA)
			walk_into(walk, fd, entry->d_name, depth);
	} else if (entry->d_type == DT_UNKNOWN)
		walk->show(&file, walk->context);
}

/* Takes over fd. */
static void walk_directory(struct walk *walk, int fd, enum cm_maildir_part part, unsigned int depth)
{
	DIR *directory = cm_directory_stream(fd);
	struct dirent *entry;

	if (directory == NULL) {
		walk_trouble(walk, "cannot read directory", errno);
		return;
	}
	while (errno = 0, (entry = readdir(directory)) != NULL)
		walk_entry(walk, fd, entry, part, depth);
	if (errno != 0)
		walk_trouble(walk, "cannot read directory", errno);
	closedir(directory);
}

bool cm_maildir_walk(int mailbox_fd, cm_maildir_file_fn *show, void *context, struct cm_error *err)
{
	struct walk walk = {.show = show, .context = context, .err = err, .good = true};
	/* Not dup(): the copy would share its read position with the caller's descriptor. */
	int fd = cm_directory_open(mailbox_fd, ".");

	if (fd < 0) {
		/* Deleted meanwhile: there is nothing to show. */
		if (errno == ENOENT)
			return true;
		cm_error_set_errno(err, "cannot open the mailbox's directory");
		return false;
	}
	walk_directory(&walk, fd, CM_MAILDIR_EXTRA, 0);
	return walk.good;
}

/* --- all mailboxes --- */

#define BATCH_NAMES 8192

struct batch_entry {
	ino_t inode;
	size_t name; /* offset in names: the buffer moves when it grows */
};

struct cm_mailboxes {
	DIR *directory;
	struct batch_entry *entries;
	size_t count, next;
	char *names;
	size_t names_length, names_size;
};

struct cm_mailboxes *cm_mailboxes_open(const char *mailboxes_dir, struct cm_error *err)
{
	struct cm_mailboxes *mailboxes = calloc(1, sizeof(*mailboxes));

	if (mailboxes != NULL)
		mailboxes->entries = calloc(BATCH_NAMES, sizeof(*mailboxes->entries));
	if (mailboxes != NULL && mailboxes->entries != NULL)
		mailboxes->directory =
		    cm_directory_stream(open(mailboxes_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (mailboxes == NULL || mailboxes->directory == NULL) {
		cm_error_set_errno(err, "mailboxes_dir %s: cannot be opened", mailboxes_dir);
		cm_mailboxes_close(&mailboxes);
		return NULL;
	}
	return mailboxes;
}

void cm_mailboxes_close(struct cm_mailboxes **mailboxes)
{
	if (*mailboxes == NULL)
		return;
	if ((*mailboxes)->directory != NULL)
		closedir((*mailboxes)->directory);
	free((*mailboxes)->entries);
	free((*mailboxes)->names);
	free(*mailboxes);
	*mailboxes = NULL;
}

int cm_mailboxes_fd(const struct cm_mailboxes *mailboxes)
{
	return dirfd(mailboxes->directory);
}

void cm_mailboxes_rewind(struct cm_mailboxes *mailboxes)
{
	rewinddir(mailboxes->directory);
	mailboxes->count = 0;
	mailboxes->next = 0;
}

static bool batch_add(struct cm_mailboxes *mailboxes, const struct dirent *entry)
{
	size_t size = strlen(entry->d_name) + 1;

	if (mailboxes->names_size - mailboxes->names_length < size) {
		size_t larger = mailboxes->names_size * 2 + 65536;
		char *names = realloc(mailboxes->names, larger);

		if (names == NULL)
			return false;
		mailboxes->names = names;
		mailboxes->names_size = larger;
	}
	memcpy(mailboxes->names + mailboxes->names_length, entry->d_name, size);
	mailboxes->entries[mailboxes->count].inode = entry->d_ino;
	mailboxes->entries[mailboxes->count].name = mailboxes->names_length;
	mailboxes->names_length += size;
	mailboxes->count++;
	return true;
}

static int by_inode(const void *left, const void *right)
{
	ino_t a = ((const struct batch_entry *)left)->inode;
	ino_t b = ((const struct batch_entry *)right)->inode;

	return (a > b) - (a < b);
}

static bool batch_fill(struct cm_mailboxes *mailboxes, struct cm_error *err)
{
	const struct dirent *entry;

	mailboxes->count = 0;
	mailboxes->next = 0;
	mailboxes->names_length = 0;
	while (mailboxes->count < BATCH_NAMES) {
		errno = 0;
		entry = readdir(mailboxes->directory);
		if (entry == NULL)
			break;
		if (strchr(entry->d_name, '@') == NULL ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (!batch_add(mailboxes, entry))
			break;
	}
	if (mailboxes->count < BATCH_NAMES && errno != 0) {
		cm_error_set_errno(err, "mailboxes_dir: cannot be read");
		return false;
	}
	qsort(mailboxes->entries, mailboxes->count, sizeof(*mailboxes->entries), by_inode);
	return true;
}

bool cm_mailboxes_next(struct cm_mailboxes *mailboxes, const char **name_r, struct cm_error *err)
{
	*name_r = NULL;
	if (mailboxes->next == mailboxes->count && !batch_fill(mailboxes, err))
		return false;
	if (mailboxes->next < mailboxes->count)
		*name_r = mailboxes->names + mailboxes->entries[mailboxes->next++].name;
	return true;
}
