#include "archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive_filter.h"
#include "file.h"
#include "interrupt.h"
#include "progress.h"

#define BUFFER_SIZE 131072

/* Longest description, first or last entry. */
#define JSON_MAX 65536

struct cm_archive_reader {
	const char *path;
	struct archive *archive;
	struct cm_archive_digest digest;
	struct cm_archive_filter filter;
	struct cm_archive_about about;
	int input, fd;
	char name[CM_ARCHIVE_NAME_MAX + 1];
	uint64_t size, left; /* of the entry: in total, and not yet read */
	bool unread;         /* the content of the current entry was not read to its end */
	char buffer[BUFFER_SIZE];
};

static bool fail(struct cm_archive_reader *reader, struct cm_error *err)
{
	const char *why = archive_error_string(reader->archive);

	cm_error_set(err, "%s: cannot be read: %s", reader->path,
		     why != NULL ? why : "out of memory");
	return false;
}

/* The next part of the content; NULL at its end, and with *good_r false after an error. */
static const char *next_part(struct cm_archive_reader *reader, size_t *length_r, bool *good_r,
			     struct cm_error *err)
{
	la_ssize_t got;

	*good_r = !cm_interrupted(err);
	if (!*good_r)
		return NULL;
	got = archive_read_data(reader->archive, reader->buffer, BUFFER_SIZE);
	if (got > 0 && (uint64_t)got <= reader->left) {
		reader->left -= (uint64_t)got;
		cm_archive_digest_content(&reader->digest, reader->buffer, (size_t)got);
		*length_r = (size_t)got;
		return reader->buffer;
	}
	reader->unread = false;
	if (got < 0)
		*good_r = fail(reader, err);
	else if (got > 0 || reader->left > 0) {
		cm_error_set(err, "%s: damaged: an entry is shorter than its header says",
			     reader->path);
		*good_r = false;
	}
	return NULL;
}

static bool skip(struct cm_archive_reader *reader, struct cm_error *err)
{
	bool good = true;
	size_t length;

	while (reader->unread && next_part(reader, &length, &good, err) != NULL)
		continue;
	return good;
}

/* Relative, without empty, "." and ".." components and control characters. */
static bool plain_name(const char *name)
{
	for (;;) {
		size_t length = strcspn(name, "/");

		if (length == 0 || length > 255 || strncmp(name, ".", length) == 0 ||
		    strncmp(name, "..", length) == 0)
			return false;
		for (size_t i = 0; i < length; i++)
			if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
				return false;
		if (name[length] == '\0')
			return true;
		name += length + 1;
	}
}

static bool take_name(struct cm_archive_reader *reader, struct archive_entry *entry,
		      struct cm_error *err)
{
	const char *name = archive_entry_pathname(entry);
	size_t length = name != NULL ? strlen(name) : 0;

	if (length > 0 && name[length - 1] == '/' && archive_entry_filetype(entry) == AE_IFDIR)
		length--;
	if (length == 0 || length > CM_ARCHIVE_NAME_MAX) {
		cm_error_set(err, "%s: an entry has an invalid name", reader->path);
		return false;
	}
	memcpy(reader->name, name, length);
	reader->name[length] = '\0';
	if (plain_name(reader->name))
		return true;
	cm_error_set(err, "%s: the name of an entry leads out of the archive", reader->path);
	return false;
}

/* Accepts only files and directories. */
static bool take_entry(struct cm_archive_reader *reader, struct archive_entry *entry,
		       struct cm_archive_entry *entry_r, struct cm_error *err)
{
	mode_t type = archive_entry_filetype(entry);
	la_int64_t size = archive_entry_size(entry);

	if (!take_name(reader, entry, err))
		return false;
	if ((type != AE_IFREG && type != AE_IFDIR) || archive_entry_hardlink(entry) != NULL ||
	    archive_entry_symlink(entry) != NULL || size < 0) {
		cm_error_set(err, "%s: %s: neither a file nor a directory", reader->path,
			     reader->name);
		return false;
	}
	*entry_r = (struct cm_archive_entry){
	    .name = reader->name,
	    .directory = type == AE_IFDIR,
	    .size = type == AE_IFDIR ? 0 : (uint64_t)size,
	    .mode = archive_entry_perm(entry),
	    .mtime = {.tv_sec = archive_entry_mtime(entry),
		      .tv_nsec = archive_entry_mtime_nsec(entry)},
	    .user = archive_entry_uname(entry) != NULL ? archive_entry_uname(entry) : "",
	    .group = archive_entry_gname(entry) != NULL ? archive_entry_gname(entry) : "",
	};
	reader->size = reader->left = entry_r->size;
	reader->unread = true;
	return true;
}

char *cm_archive_content(struct cm_archive_reader *reader, size_t max, size_t *length_r,
			 struct cm_error *err)
{
	size_t length, used = 0;
	char *text;
	const char *part;
	bool good;

	if (reader->size > max) {
		cm_error_set(err, "%s: %s: longer than %zu bytes", reader->path, reader->name, max);
		return NULL;
	}
	text = malloc((size_t)reader->size + 1);
	if (text == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	while ((part = next_part(reader, &length, &good, err)) != NULL) {
		memcpy(text + used, part, length);
		used += length;
	}
	text[used] = '\0';
	*length_r = used;
	if (good)
		return text;
	free(text);
	return NULL;
}

static json_t *read_json(struct cm_archive_reader *reader, struct cm_error *err)
{
	size_t length;
	char *text = cm_archive_content(reader, JSON_MAX, &length, err);
	json_t *json = text != NULL ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (text != NULL && json == NULL)
		cm_error_set(err, "%s: %s: invalid", reader->path, reader->name);
	free(text);
	return json;
}

static bool read_about(struct cm_archive_reader *reader, struct cm_error *err)
{
	const char *kind = NULL, *domain = NULL;
	json_int_t created = 0;
	int format = 0;
	json_t *json;

	if (strcmp(reader->name, CM_ARCHIVE_FIRST) != 0) {
		cm_error_set(err, "%s: not an archive of chatmailctl", reader->path);
		return false;
	}
	json = read_json(reader, err);
	if (json == NULL)
		return false;
	if (json_unpack(json, "{s:i, s:s, s:s, s:I}", "format", &format, "kind", &kind,
			"mail_domain", &domain, "created", &created) != 0 ||
	    format != CM_ARCHIVE_FORMAT) {
		cm_error_set(err, "%s: written by another version of chatmailctl", reader->path);
		json_decref(json);
		return false;
	}
	reader->about.relay = strcmp(kind, "relay") == 0;
	reader->about.created = created;
	reader->about.domain = strdup(domain);
	json_decref(json);
	if (reader->about.domain == NULL)
		cm_error_set(err, "out of memory");
	return reader->about.domain != NULL;
}

/* The last entry must have the digest and counts of all entries before it. */
static bool read_end(struct cm_archive_reader *reader, struct cm_error *err)
{
	struct cm_archive_totals *totals = &reader->digest.totals;
	const struct cm_archive_totals seen = *totals;
	char sha256[CM_ARCHIVE_SHA256_SIZE];
	const char *expected = "";
	json_int_t entries = 0, accounts = 0, messages = 0;
	json_t *json;
	bool good;

	cm_archive_digest_end(&reader->digest, sha256);
	json = read_json(reader, err);
	if (json == NULL)
		return false;
	good = json_unpack(json, "{s:I, s:I, s:I, s:s}", "entries", &entries, "accounts", &accounts,
			   "messages", &messages, "sha256", &expected) == 0 &&
	       strcmp(expected, sha256) == 0 && (uint64_t)entries == seen.entries;
	json_decref(json);
	*totals = seen;
	totals->accounts = (uint64_t)accounts;
	totals->messages = (uint64_t)messages;
	if (!good)
		cm_error_set(err, "%s: damaged: the digest at the end does not match",
			     reader->path);
	return good;
}

static bool read_entry(struct cm_archive_reader *reader, struct cm_archive_entry *entry_r,
		       struct cm_error *err)
{
	struct archive_entry *entry;
	int result;

	if (cm_interrupted(err) || !skip(reader, err))
		return false;
	result = archive_read_next_header(reader->archive, &entry);
	if (result == ARCHIVE_EOF) {
		cm_error_set(err, "%s: incomplete: the end is missing", reader->path);
		return false;
	}
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
		return fail(reader, err);
	return take_entry(reader, entry, entry_r, err);
}

bool cm_archive_each(struct cm_archive_reader *reader, cm_archive_entry_fn *visit, void *context,
		     struct cm_error *err)
{
	struct cm_archive_entry entry;
	struct cm_progress progress;
	bool good = true;

	cm_progress_begin(&progress, "files", 0);
	while (good && (good = read_entry(reader, &entry, err)) &&
	       strcmp(entry.name, CM_ARCHIVE_LAST) != 0) {
		cm_archive_digest_entry(&reader->digest, entry.name, entry.size);
		cm_progress_update(&progress, reader->digest.totals.entries);
		good = visit(&entry, context);
	}
	cm_progress_end(&progress);
	return good && read_end(reader, err);
}

bool cm_archive_copy(struct cm_archive_reader *reader, int fd, struct cm_error *err)
{
	const char *part;
	size_t length;
	bool good;

	while ((part = next_part(reader, &length, &good, err)) != NULL) {
		if (!cm_file_write_fully(fd, part, length)) {
			cm_error_set_errno(err, "%s: cannot be written", reader->name);
			return false;
		}
	}
	return good;
}

static bool open_input(struct cm_archive_reader *reader, const char *identity, struct cm_error *err)
{
	if (strcmp(reader->path, "-") == 0) {
		reader->path = "standard input";
		reader->input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		reader->input = open(reader->path, O_RDONLY | O_CLOEXEC);
	}
	if (reader->input < 0) {
		cm_error_set_errno(err, "%s: cannot be opened", reader->path);
		return false;
	}
	return cm_archive_decrypt(reader->input, identity, &reader->fd, &reader->filter, err);
}

static bool open_archive(struct cm_archive_reader *reader, struct cm_error *err)
{
	reader->archive = archive_read_new();
	if (reader->archive == NULL || !cm_archive_digest_init(&reader->digest)) {
		cm_error_set(err, "out of memory");
		return false;
	}
	archive_read_support_format_tar(reader->archive);
	archive_read_support_filter_gzip(reader->archive);
	archive_read_support_filter_zstd(reader->archive);
	if (archive_read_open_fd(reader->archive, reader->fd, BUFFER_SIZE) != ARCHIVE_OK)
		return fail(reader, err);
	return true;
}

struct cm_archive_reader *cm_archive_open(const char *path, const char *identity,
					  struct cm_error *err)
{
	struct cm_archive_reader *reader = calloc(1, sizeof(*reader));
	struct cm_archive_entry entry;

	if (reader == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	cm_interrupt_catch();
	reader->path = path;
	reader->input = reader->fd = -1;
	if (open_input(reader, identity, err) && open_archive(reader, err) &&
	    read_entry(reader, &entry, err)) {
		cm_archive_digest_entry(&reader->digest, entry.name, entry.size);
		if (read_about(reader, err))
			return reader;
	}
	cm_archive_close(&reader);
	return NULL;
}

void cm_archive_close(struct cm_archive_reader **reader_p)
{
	struct cm_archive_reader *reader = *reader_p;
	struct cm_error ignored;

	*reader_p = NULL;
	if (reader == NULL)
		return;
	archive_read_free(reader->archive);
	if (reader->fd >= 0 && reader->fd != reader->input)
		close(reader->fd);
	if (reader->input >= 0)
		close(reader->input);
	(void)cm_archive_filter_end(&reader->filter, &ignored);
	cm_archive_digest_deinit(&reader->digest);
	free(reader->about.domain);
	explicit_bzero(reader->buffer, sizeof(reader->buffer));
	free(reader);
}

const struct cm_archive_about *cm_archive_about(const struct cm_archive_reader *reader)
{
	return &reader->about;
}

const struct cm_archive_totals *cm_archive_read_totals(const struct cm_archive_reader *reader)
{
	return &reader->digest.totals;
}
