#include "log_file.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format.h"
#include "log_reader.h"
#include "process.h"

/* More rotated files are not looked at. */
#define ROTATED_MAX 64

struct cm_log_file {
	bool follow, journal;
	char *path;
	char *rotated[ROTATED_MAX]; /* the oldest first */
	size_t count, next;
	struct cm_process_stream process; /* gzip or journalctl, if it has a stream */
	time_t latest;                    /* when what is being read was written last */
	struct cm_log_reader reader;
};

/* --- Rotated files -------------------------------------------------------------------------- */

static time_t written(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mtime : 0;
}

static int compare_age(const void *a, const void *b)
{
	time_t first = written(*(char *const *)a), second = written(*(char *const *)b);

	return (first > second) - (first < second);
}

/* logrotate and busybox' syslogd append to the name. */
static bool find_rotated(struct cm_log_file *file, time_t since)
{
	char *pattern = cm_format("%s[.-]*", file->path);
	glob_t found = {0};
	bool good = pattern != NULL && glob(pattern, 0, NULL, &found) != GLOB_NOSPACE;

	for (size_t i = 0; good && i < found.gl_pathc && file->count < ROTATED_MAX; i++) {
		if (written(found.gl_pathv[i]) < since || written(found.gl_pathv[i]) == 0)
			continue;
		file->rotated[file->count] = strdup(found.gl_pathv[i]);
		good = file->rotated[file->count] != NULL;
		file->count += good;
	}
	if (found.gl_pathv != NULL)
		globfree(&found);
	free(pattern);
	qsort(file->rotated, file->count, sizeof(file->rotated[0]), compare_age);
	return good;
}

/* --- The stream ----------------------------------------------------------------------------- */

static bool is_compressed(const char *path)
{
	size_t length = strlen(path);

	return length > 3 && strcmp(path + length - 3, ".gz") == 0;
}

/* fopen() opens it, and then it looks like an empty file. */
static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void close_stream(struct cm_log_file *file)
{
	if (file->process.stream != NULL)
		cm_process_close(&file->process);
	else if (file->reader.stream != NULL)
		fclose(file->reader.stream);
	file->reader.stream = NULL;
	file->reader.length = 0;
}

static bool open_stream(struct cm_log_file *file, const char *path, struct cm_error *err)
{
	close_stream(file);
	file->latest = written(path);
	if (is_compressed(path)) {
		const char *const command[] = {"gzip", "-dc", path, NULL};

		if (!cm_process_open(command, &file->process, err))
			return false;
		file->reader.stream = file->process.stream;
		return true;
	}
	file->reader.stream = fopen(path, "re");
	if (file->reader.stream != NULL && is_directory(path)) {
		cm_error_set(err, "%s: Is a directory", path);
		fclose(file->reader.stream);
		file->reader.stream = NULL;
		return false;
	}
	if (file->reader.stream == NULL)
		cm_error_set_errno(err, "%s", path);
	return file->reader.stream != NULL;
}

struct cm_log_file *cm_log_file_open(const char *path, time_t since, bool follow,
				     struct cm_error *err)
{
	struct cm_log_file *file = calloc(1, sizeof(*file));

	cm_error_set(err, "out of memory");
	if (file == NULL)
		return NULL;
	file->follow = follow;
	file->path = strdup(path);
	if (file->path == NULL || !find_rotated(file, since) ||
	    !open_stream(file, file->count > 0 ? file->rotated[file->next++] : path, err))
		cm_log_file_close(&file);
	return file;
}

struct cm_log_file *cm_log_file_journal(time_t since, bool follow, struct cm_error *err)
{
	struct cm_log_file *file = calloc(1, sizeof(*file));
	char moment[32];
	const char *const command[] = {
	    "journalctl",
	    "--quiet",
	    "--no-pager",
	    "--output=json",
	    "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID",
	    "--lines=all",
	    "--unit=chatmail-*",
	    "--unit=postfix*",
	    "--unit=dovecot*",
	    "--unit=nginx*",
	    "--unit=opendkim*",
	    "--unit=coturn*",
	    "--unit=iroh-relay*",
	    moment,
	    follow ? "--follow" : NULL,
	    NULL};

	cm_error_set(err, "out of memory");
	if (file == NULL)
		return NULL;
	snprintf(moment, sizeof(moment), "--since=@%lld", (long long)since);
	file->follow = follow;
	file->journal = true;
	if (!cm_process_open(command, &file->process, err)) {
		cm_log_file_close(&file);
		return NULL;
	}
	file->reader.stream = file->process.stream;
	if (follow)
		fcntl(fileno(file->reader.stream), F_SETFL, O_NONBLOCK);
	return file;
}

void cm_log_file_close(struct cm_log_file **file_p)
{
	struct cm_log_file *file = *file_p;

	*file_p = NULL;
	if (file == NULL)
		return;
	close_stream(file);
	for (size_t i = 0; i < file->count; i++)
		free(file->rotated[i]);
	free(file->path);
	free(file);
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* True if the name belongs to another file now, or the file was emptied. */
static bool was_rotated(const struct cm_log_file *file)
{
	struct stat there, open;

	return stat(file->path, &there) == 0 && fstat(fileno(file->reader.stream), &open) == 0 &&
	       (there.st_ino != open.st_ino || there.st_dev != open.st_dev ||
		there.st_size < ftello(file->reader.stream));
}

/* At the end of what there is: goes on to the next file. */
static enum cm_log_next at_end(struct cm_log_file *file)
{
	struct cm_error err;

	if (file->journal && !file->follow)
		return CM_LOG_NEXT_END;
	if (file->journal) {
		bool ended = feof(file->reader.stream);

		clearerr(file->reader.stream);
		return ended ? CM_LOG_NEXT_END : CM_LOG_NEXT_NONE;
	}
	if (file->next <= file->count && file->count > 0) {
		const char *path =
		    file->next < file->count ? file->rotated[file->next] : file->path;

		file->next++;
		return open_stream(file, path, &err) ? CM_LOG_NEXT_LINE : CM_LOG_NEXT_END;
	}
	if (!file->follow)
		return CM_LOG_NEXT_END;
	if (was_rotated(file) && open_stream(file, file->path, &err))
		return CM_LOG_NEXT_LINE;
	clearerr(file->reader.stream);
	return CM_LOG_NEXT_NONE;
}

static bool is_growing(const struct cm_log_file *file)
{
	return file->follow && (file->journal || file->count == 0 || file->next > file->count);
}

enum cm_log_next cm_log_file_next(struct cm_log_file *file, struct cm_log_line *line_r)
{
	for (;;) {
		char *line = cm_log_reader_next(&file->reader, !is_growing(file));
		enum cm_log_next next;

		if (line == NULL) {
			next = at_end(file);
			if (next != CM_LOG_NEXT_LINE)
				return next;
		} else if (file->journal) {
			if (cm_log_line_parse_journal(line, line_r))
				return CM_LOG_NEXT_LINE;
		} else if (cm_log_line_parse(line, is_growing(file) ? time(NULL) : file->latest,
					     line_r)) {
			return CM_LOG_NEXT_LINE;
		}
	}
}
