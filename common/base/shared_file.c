#include "shared_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static const char magic[8] = "CMSHARE";

/* The beginning of the file; the caller's data follows on its own cache line. */
struct header {
	char magic[sizeof(magic)];
	uint64_t size; /* of the data */
	uint64_t layout;
	uint64_t reserved[5];
};

static_assert(sizeof(struct header) == 64, "the header is one cache line");

static size_t total_size(const struct cm_shared_file *file)
{
	return sizeof(struct header) + file->size;
}

static void *data_of(struct header *header)
{
	return header + 1;
}

static struct header *map(const struct cm_shared_file *file, int fd)
{
	void *memory = mmap(NULL, total_size(file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

static bool header_matches(const struct cm_shared_file *file, const struct header *header)
{
	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->size == file->size &&
	       header->layout == file->layout;
}

enum open_result {
	OPEN_OK,
	OPEN_REPLACE, /* missing, of another layout, or not accessible */
	OPEN_TROUBLE, /* errno is the reason */
};

static enum open_result open_existing(int directory, const struct cm_shared_file *file, int *fd_r,
				      struct header **header_r)
{
	/* O_NONBLOCK: a FIFO at this place must not block us. */
	int fd = openat(directory, file->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum open_result result = OPEN_REPLACE;
	struct stat st;

	/* A file of another user is replaced, too: the directory's owner may do that. */
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == EACCES ? OPEN_REPLACE
									    : OPEN_TROUBLE;
	if (fstat(fd, &st) != 0) {
		result = OPEN_TROUBLE;
	} else if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size == total_size(file)) {
		*header_r = map(file, fd);
		if (*header_r == NULL)
			result = OPEN_TROUBLE;
		else if (header_matches(file, *header_r))
			result = OPEN_OK;
		else
			munmap(*header_r, total_size(file));
	}
	if (result == OPEN_OK)
		*fd_r = fd;
	else
		cm_file_close(fd);
	return result;
}

/* Writes every page, so that a full tmpfs is an error here and not a SIGBUS later. */
static bool write_zeros(int fd, size_t length)
{
	static const char zeros[4096];

	while (length > 0) {
		size_t part = length < sizeof(zeros) ? length : sizeof(zeros);

		if (!cm_file_write_fully(fd, zeros, part))
			return false;
		length -= part;
	}
	return true;
}

/* The file gets the directory's owner: if root runs chatmailctl before the daemons, it must
   not lock them out. */
static bool give_to_directory_owner(int directory, const struct cm_shared_file *file, int fd)
{
	struct stat st;

	if (fstat(directory, &st) != 0)
		return false;
	if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) != 0)
		return false;
	return fchmod(fd, file->mode) == 0;
}

/* False with errno set, or with err filled by fill(). */
static bool write_file(int directory, const struct cm_shared_file *file, int fd,
		       struct cm_error *err)
{
	struct header *header;
	bool good;

	if (!give_to_directory_owner(directory, file, fd) || !write_zeros(fd, total_size(file)))
		return false;
	header = map(file, fd);
	if (header == NULL)
		return false;
	memcpy(header->magic, magic, sizeof(magic));
	header->size = file->size;
	header->layout = file->layout;
	good = file->fill == NULL || file->fill(data_of(header), err);
	munmap(header, total_size(file));
	return good;
}

/* The directory's lock is held, so no other process uses the temporary name; one left by a
   crash is removed. */
static bool create(int directory, const struct cm_shared_file *file, struct cm_error *err)
{
	char temporary[NAME_MAX + 1];
	bool good;
	int fd;

	snprintf(temporary, sizeof(temporary), ".%s.new", file->name);
	if (unlinkat(directory, temporary, 0) != 0 && errno != ENOENT)
		return false;
	fd = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    file->mode);
	if (fd < 0)
		return false;
	good = write_file(directory, file, fd, err) &&
	       renameat(directory, temporary, directory, file->name) == 0;
	if (!good) {
		int saved_errno = errno;

		unlinkat(directory, temporary, 0);
		errno = saved_errno;
	}
	cm_file_close(fd);
	return good;
}

static struct header *open_or_create(int directory, const struct cm_shared_file *file, int *fd_r,
				     struct cm_error *err)
{
	struct header *header = NULL;
	enum open_result result = open_existing(directory, file, fd_r, &header);

	if (result == OPEN_REPLACE) {
		if (!cm_file_lock(directory, LOCK_EX))
			return NULL;
		result = open_existing(directory, file, fd_r, &header);
		if (result == OPEN_REPLACE && create(directory, file, err))
			result = open_existing(directory, file, fd_r, &header);
	}
	return result == OPEN_OK ? header : NULL;
}

void *cm_shared_file_map(const char *directory, const struct cm_shared_file *file, int *fd_r,
			 struct cm_error *err)
{
	/* Closing it releases its lock. */
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct cm_error why = {""};
	struct header *header = NULL;

	if (dir >= 0)
		header = open_or_create(dir, file, &fd, &why);
	if (header == NULL && why.text[0] != '\0')
		cm_error_set(err, "%s/%s: %s", directory, file->name, why.text);
	else if (header == NULL)
		cm_error_set_errno(err, "%s/%s: cannot be mapped", directory, file->name);
	if (dir >= 0)
		close(dir);
	if (fd_r != NULL)
		*fd_r = fd;
	else if (fd >= 0)
		close(fd);
	return header != NULL ? data_of(header) : NULL;
}

void cm_shared_file_unmap(const struct cm_shared_file *file, void *data)
{
	if (data != NULL)
		munmap((struct header *)data - 1, total_size(file));
}
