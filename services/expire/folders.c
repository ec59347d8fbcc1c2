#include "folders.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"

#define MODE 0700

/* In the order in which a message passes them, so that none is in transit when the last one is
   deleted. */
static const char *const parts[] = {"tmp", "new", "cur"};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* True if the directory contains no file and has not changed for long. */
static bool is_deserted(const struct expire_rules *rules, int folder, const char *part)
{
	DIR *directory = cm_directory_stream(cm_directory_open(folder, part));
	const struct dirent *entry;
	bool deserted = false;
	struct stat st;

	if (directory == NULL)
		return false;
	if (fstat(dirfd(directory), &st) == 0 &&
	    expire_message(rules, CM_MAILDIR_CUR, 0, st.st_mtime)) {
		while (errno = 0, (entry = readdir(directory)) != NULL && entry->d_name[0] == '.')
			;
		deserted = entry == NULL && errno == 0;
	}
	closedir(directory);
	return deserted;
}

static bool all_deserted(const struct expire_rules *rules, int folder)
{
	for (size_t i = 0; i < PARTS; i++)
		if (!is_deserted(rules, folder, parts[i]))
			return false;
	return true;
}

static void make_parts(int folder)
{
	for (size_t i = 0; i < PARTS; i++)
		(void)mkdirat(folder, parts[i], MODE);
}

/* rmdir() decides: a message that arrived meanwhile keeps its folder. */
static bool remove_parts(int folder)
{
	for (size_t i = 0; i < PARTS; i++) {
		if (unlinkat(folder, parts[i], AT_REMOVEDIR) == 0)
			continue;
		make_parts(folder);
		return false;
	}
	return true;
}

/* Deletes Dovecot's own files, which it creates again. Directories stay: a message may be in
   them. Adds to *bytes. */
static void remove_files(int folder, bool dry_run, uint64_t *bytes)
{
	DIR *directory = cm_directory_stream(cm_directory_open(folder, "."));
	const struct dirent *entry;
	struct stat st;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISDIR(st.st_mode) && (dry_run || unlinkat(folder, entry->d_name, 0) == 0))
			*bytes += (uint64_t)st.st_size;
	closedir(directory);
}

static void expire_folder(struct expire_state *state, const char *name, int fd, const char *folder)
{
	int folder_fd = cm_directory_open(fd, folder);
	bool dry_run = state->options->dry_run, gone;
	uint64_t bytes = 0;

	if (folder_fd < 0)
		return;
	gone = all_deserted(&state->rules, folder_fd) && (dry_run || remove_parts(folder_fd));
	if (gone)
		remove_files(folder_fd, dry_run, &bytes);
	/* A delivery may have created the folder again meanwhile. */
	if (gone && !dry_run && unlinkat(fd, folder, AT_REMOVEDIR) < 0) {
		gone = false;
		make_parts(folder_fd);
	}
	close(folder_fd);
	if (!gone)
		return;
	expire_list_deletion(state, "folder", name, folder, "");
	state->result->folders_deleted++;
	state->result->bytes += bytes;
}

void expire_folders(struct expire_state *state, const char *name, int fd)
{
	DIR *directory = cm_directory_stream(cm_directory_open(fd, "."));
	const struct dirent *entry;
	struct cm_error err;

	if (directory == NULL) {
		cm_error_set_errno(&err, "cannot list the folders");
		expire_trouble(state, name, &err);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] == '.' && entry->d_name[1] != '\0' && entry->d_name[1] != '.')
			expire_folder(state, name, fd, entry->d_name);
	closedir(directory);
}
