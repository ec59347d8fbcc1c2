#include "archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "interrupt.h"
#include "output_file.h"

#define BUFFER_SIZE 131072

struct cm_archive_writer {
	struct archive *archive;
	struct archive_entry *entry;
	struct cm_archive_digest digest;
	struct cm_archive_filter filter;
	char *path, *temporary; /* NULL: standard output */
	int output;             /* the file */
	int fd;                 /* the file, or the filter's pipe */
	char buffer[BUFFER_SIZE];
};

static bool fail(struct cm_archive_writer *writer, struct cm_error *err)
{
	cm_error_set(err, "%s: cannot be written: %s",
		     writer->path != NULL ? writer->path : "standard output",
		     archive_error_string(writer->archive) != NULL
			 ? archive_error_string(writer->archive)
			 : "out of memory");
	return false;
}

static bool open_output(struct cm_archive_writer *writer, const char *path, struct cm_error *err)
{
	char random[CM_FILE_RANDOM_SIZE];

	if (strcmp(path, "-") != 0 && !cm_output_file_may_replace(path, err))
		return false;
	if (strcmp(path, "-") == 0) {
		writer->output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		if (isatty(STDOUT_FILENO)) {
			cm_error_set(err,
				     "standard output is a terminal: give a file for the archive");
			return false;
		}
	} else {
		writer->path = strdup(path);
		if (!cm_file_random_name(random) || writer->path == NULL ||
		    asprintf(&writer->temporary, "%s.%s", path, random) < 0) {
			cm_error_set(err, "out of memory");
			return false;
		}
		writer->output =
		    open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	if (writer->output >= 0)
		return true;
	cm_error_set_errno(err, "%s: cannot be written", path);
	return false;
}

static bool open_archive(struct cm_archive_writer *writer, struct cm_error *err)
{
	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	if (writer->archive == NULL || writer->entry == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	/* Mailbox names are bytes, whatever the locale is. */
	if (archive_write_set_format_pax_restricted(writer->archive) != ARCHIVE_OK ||
	    archive_write_set_options(writer->archive, "hdrcharset=BINARY") != ARCHIVE_OK ||
	    archive_write_open_fd(writer->archive, writer->fd) != ARCHIVE_OK)
		return fail(writer, err);
	return true;
}

static bool put_json(struct cm_archive_writer *writer, const char *name, json_t *json,
		     struct cm_error *err)
{
	const struct stat st = {.st_mode = S_IFREG | 0600, .st_mtime = time(NULL)};
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	bool good = false;

	if (text == NULL)
		cm_error_set(err, "out of memory");
	else
		good = cm_archive_put_data(writer, name, &st, text, strlen(text), err);
	free(text);
	json_decref(json);
	return good;
}

struct cm_archive_writer *cm_archive_create(const struct cm_archive_target *target,
					    const char *kind, const char *domain,
					    struct cm_error *err)
{
	struct cm_archive_writer *writer = calloc(1, sizeof(*writer));
	bool good;

	if (writer == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	writer->output = writer->fd = -1;
	signal(SIGPIPE, SIG_IGN);
	cm_interrupt_catch();
	good = cm_archive_digest_init(&writer->digest) && open_output(writer, target->path, err);
	if (good && target->recipient_count > 0)
		good = cm_archive_encrypt(target->recipients, target->recipient_count,
					  writer->output, &writer->fd, &writer->filter, err);
	else
		writer->fd = writer->output;
	good = good && open_archive(writer, err) &&
	       put_json(writer, CM_ARCHIVE_FIRST,
			json_pack("{s:i, s:s, s:s, s:I}", "format", CM_ARCHIVE_FORMAT, "kind", kind,
				  "mail_domain", domain, "created", (json_int_t)time(NULL)),
			err);
	if (!good)
		cm_archive_abandon(&writer);
	return writer;
}

static void set_owner(struct archive_entry *entry, const struct stat *st)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);

	archive_entry_set_uname(entry, user != NULL ? user->pw_name : "");
	archive_entry_set_gname(entry, group != NULL ? group->gr_name : "");
}

static bool put_header(struct cm_archive_writer *writer, const char *name, const struct stat *st,
		       uint64_t size, struct cm_error *err)
{
	if (cm_interrupted(err))
		return false;
	archive_entry_clear(writer->entry);
	archive_entry_set_pathname(writer->entry, name);
	archive_entry_set_filetype(writer->entry, st->st_mode & S_IFMT);
	archive_entry_set_perm(writer->entry, st->st_mode & 0777);
	archive_entry_set_size(writer->entry, (la_int64_t)size);
	archive_entry_set_mtime(writer->entry, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	set_owner(writer->entry, st);
	cm_archive_digest_entry(&writer->digest, name, size);
	if (archive_write_header(writer->archive, writer->entry) == ARCHIVE_OK)
		return true;
	return fail(writer, err);
}

static bool put_content(struct cm_archive_writer *writer, const void *data, size_t length,
			struct cm_error *err)
{
	if (cm_interrupted(err))
		return false;
	cm_archive_digest_content(&writer->digest, data, length);
	if (length == 0 || archive_write_data(writer->archive, data, length) == (la_ssize_t)length)
		return true;
	return fail(writer, err);
}

bool cm_archive_put_data(struct cm_archive_writer *writer, const char *name, const struct stat *st,
			 const void *data, size_t length, struct cm_error *err)
{
	return put_header(writer, name, st, length, err) && put_content(writer, data, length, err);
}

bool cm_archive_put_file(struct cm_archive_writer *writer, const char *name, int fd,
			 const struct stat *st, struct cm_error *err)
{
	uint64_t left = (uint64_t)st->st_size;

	if (!put_header(writer, name, st, left, err))
		return false;
	while (left > 0) {
		size_t wanted = left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE;
		ssize_t got = read(fd, writer->buffer, wanted);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = ENODATA;
			cm_error_set_errno(err, "cannot read a file");
			return false;
		}
		if (!put_content(writer, writer->buffer, (size_t)got, err))
			return false;
		left -= (uint64_t)got;
	}
	return true;
}

bool cm_archive_put_directory(struct cm_archive_writer *writer, const char *name,
			      struct cm_error *err)
{
	const struct stat st = {.st_mode = S_IFDIR | 0700, .st_mtime = time(NULL)};

	return put_header(writer, name, &st, 0, err);
}

struct cm_archive_totals *cm_archive_totals(struct cm_archive_writer *writer)
{
	return &writer->digest.totals;
}

static bool put_end(struct cm_archive_writer *writer, char sha256_r[CM_ARCHIVE_SHA256_SIZE],
		    struct cm_error *err)
{
	const struct cm_archive_totals totals = writer->digest.totals;

	cm_archive_digest_end(&writer->digest, sha256_r);
	return put_json(writer, CM_ARCHIVE_LAST,
			json_pack("{s:I, s:I, s:I, s:I, s:s}", "entries",
				  (json_int_t)totals.entries, "accounts",
				  (json_int_t)totals.accounts, "messages",
				  (json_int_t)totals.messages, "bytes", (json_int_t)totals.bytes,
				  "sha256", sha256_r),
			err);
}

/* Gives the completed file its name. */
static bool publish(struct cm_archive_writer *writer, struct cm_error *err)
{
	if (writer->path == NULL)
		return true;
	if (fsync(writer->output) == 0 && rename(writer->temporary, writer->path) == 0) {
		free(writer->temporary);
		writer->temporary = NULL;
		return true;
	}
	cm_error_set_errno(err, "%s: cannot be written", writer->path);
	return false;
}

bool cm_archive_finish(struct cm_archive_writer **writer_p, char sha256_r[CM_ARCHIVE_SHA256_SIZE],
		       struct cm_error *err)
{
	struct cm_archive_writer *writer = *writer_p;
	bool good = put_end(writer, sha256_r, err);

	if (good && archive_write_close(writer->archive) != ARCHIVE_OK)
		good = fail(writer, err);
	if (writer->fd != writer->output) {
		close(writer->fd);
		writer->fd = writer->output;
	}
	good = good && cm_archive_filter_end(&writer->filter, err) && publish(writer, err);
	cm_archive_abandon(writer_p);
	return good;
}

void cm_archive_abandon(struct cm_archive_writer **writer_p)
{
	struct cm_archive_writer *writer = *writer_p;
	struct cm_error ignored;

	*writer_p = NULL;
	if (writer == NULL)
		return;
	/* Close it before the archive is freed, because libarchive then writes its own end. */
	if (writer->fd >= 0 && writer->fd != writer->output)
		close(writer->fd);
	if (writer->output >= 0)
		close(writer->output);
	if (writer->archive != NULL)
		archive_write_fail(writer->archive);
	archive_entry_free(writer->entry);
	archive_write_free(writer->archive);
	(void)cm_archive_filter_end(&writer->filter, &ignored);
	if (writer->temporary != NULL)
		unlink(writer->temporary);
	cm_archive_digest_deinit(&writer->digest);
	free(writer->temporary);
	free(writer->path);
	explicit_bzero(writer->buffer, sizeof(writer->buffer));
	free(writer);
}
