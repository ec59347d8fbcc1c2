#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

bool cm_output_file_may_replace(const char *path, struct cm_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		cm_error_set_errno(err, "%s: cannot be written", path);
		return false;
	}
	if (S_ISREG(st.st_mode))
		return true;
	cm_error_set(err, "%s: not a regular file: it is not replaced", path);
	return false;
}

bool cm_output_file_write(const char *path, const char *default_name, const char *text,
			  struct cm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char *directory = slash == NULL   ? strdup(".")
			  : slash == path ? strdup("/")
					  : strndup(path, (size_t)(slash - path));
	struct stat st;
	int fd = -1;
	bool good;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		free(directory);
		directory = strdup(path);
		name = default_name;
	} else if (!cm_output_file_may_replace(path, err)) {
		free(directory);
		return false;
	}
	if (directory != NULL)
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	good =
	    fd >= 0 && cm_file_write(fd, name, ".tmp.", text, strlen(text), 0644, CM_FILE_REPLACE);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", path);
	if (fd >= 0)
		close(fd);
	free(directory);
	return good;
}
