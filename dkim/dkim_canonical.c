#include "dkim_canonical.h"

#include <string.h>

#include "rfc5322.h"

bool cm_dkim_hash_init(struct cm_dkim_hash *hash)
{
	hash->length = 0;
	hash->context = EVP_MD_CTX_new();
	hash->failed =
	    hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1;
	return !hash->failed;
}

static void flush(struct cm_dkim_hash *hash)
{
	if (!hash->failed && EVP_DigestUpdate(hash->context, hash->buffer, hash->length) != 1)
		hash->failed = true;
	hash->length = 0;
}

static void hash_add(struct cm_dkim_hash *hash, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	while (length > 0) {
		size_t part = sizeof(hash->buffer) - hash->length;

		if (part > length)
			part = length;
		memcpy(hash->buffer + hash->length, bytes, part);
		hash->length += part;
		bytes += part;
		length -= part;
		if (hash->length == sizeof(hash->buffer))
			flush(hash);
	}
}

static inline void add_byte(struct cm_dkim_hash *hash, char byte)
{
	hash->buffer[hash->length++] = (unsigned char)byte;
	if (hash->length == sizeof(hash->buffer))
		flush(hash);
}

bool cm_dkim_hash_end(struct cm_dkim_hash *hash, unsigned char digest_r[CM_DKIM_HASH_SIZE])
{
	unsigned int size;

	flush(hash);
	return !hash->failed && EVP_DigestFinal_ex(hash->context, digest_r, &size) == 1 &&
	       size == CM_DKIM_HASH_SIZE;
}

void cm_dkim_hash_free(struct cm_dkim_hash *hash)
{
	EVP_MD_CTX_free(hash->context);
	hash->context = NULL;
}

/* RFC 6376 3.4.1: unchanged, but the milter protocol passes folds as LF alone. */
static void add_simple_field(struct cm_dkim_hash *hash, const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (value[i] == '\n' && (i == 0 || value[i - 1] != '\r'))
			add_byte(hash, '\r');
		add_byte(hash, value[i]);
	}
}

/* RFC 6376 3.4.2: unfolded, white space reduced to one space and removed at the ends. */
static void add_relaxed_field(struct cm_dkim_hash *hash, const char *value, size_t length)
{
	bool space = false, first = true;

	for (size_t i = 0; i < length; i++) {
		if (cm_is_space(value[i])) {
			space = true;
			continue;
		}
		if (space && !first)
			add_byte(hash, ' ');
		add_byte(hash, value[i]);
		space = first = false;
	}
}

static void add_lower_name(struct cm_dkim_hash *hash, const char *name, size_t length)
{
	while (length > 0 && cm_is_space(name[length - 1]))
		length--;
	for (size_t i = 0; i < length; i++)
		add_byte(hash, cm_lower(name[i]));
}

void cm_dkim_hash_field(struct cm_dkim_hash *hash, bool relaxed, const char *name,
			size_t name_length, const char *value, size_t value_length, bool line_end)
{
	if (relaxed)
		add_lower_name(hash, name, name_length);
	else
		hash_add(hash, name, name_length);
	add_byte(hash, ':');
	if (relaxed)
		add_relaxed_field(hash, value, value_length);
	else
		add_simple_field(hash, value, value_length);
	if (line_end)
		hash_add(hash, "\r\n", 2);
}

bool cm_dkim_body_init(struct cm_dkim_body *body, bool relaxed)
{
	body->relaxed = relaxed;
	body->return_seen = body->space_seen = false;
	body->line_ends = 0;
	body->empty = true;
	return cm_dkim_hash_init(&body->hash);
}

/* More text follows, so the pending line ends were not the last ones, and the pending white
   space was not at the end of its line. */
static inline void add_pending(struct cm_dkim_body *body)
{
	for (; body->line_ends > 0; body->line_ends--)
		hash_add(&body->hash, "\r\n", 2);
	if (body->space_seen)
		add_byte(&body->hash, ' ');
	body->space_seen = false;
	body->empty = false;
}

static void end_line(struct cm_dkim_body *body)
{
	body->return_seen = false;
	body->space_seen = false;
	body->line_ends++;
}

/* Bytes of one line, without its end. */
static void add_simple_line(struct cm_dkim_body *body, const char *data, size_t length)
{
	if (length == 0)
		return;
	add_pending(body);
	hash_add(&body->hash, data, length);
}

static const char *find(const char *data, const char *end, char byte)
{
	const char *found = memchr(data, byte, (size_t)(end - data));

	return found != NULL ? found : end;
}

/* memchr() checks many bytes at once, and lines of base64 have no blanks. Each kind of blank
   is searched again only where it was found, so a line is read three times at most. */
static void add_relaxed_line(struct cm_dkim_body *body, const char *data, size_t length)
{
	const char *end = data + length;
	const char *space = find(data, end, ' '), *tab = find(data, end, '\t');

	while (data < end) {
		const char *word_end = space < tab ? space : tab;

		if (word_end > data) {
			add_pending(body);
			hash_add(&body->hash, data, (size_t)(word_end - data));
		}
		for (data = word_end; data < end && (*data == ' ' || *data == '\t'); data++)
			body->space_seen = true;
		if (space < data)
			space = find(data, end, ' ');
		if (tab < data)
			tab = find(data, end, '\t');
	}
}

static void add_line(struct cm_dkim_body *body, const char *data, size_t length)
{
	if (body->relaxed)
		add_relaxed_line(body, data, length);
	else
		add_simple_line(body, data, length);
}

void cm_dkim_body_add(struct cm_dkim_body *body, const char *data, size_t length)
{
	const char *end = data + length;

	while (data < end) {
		const char *line_end = memchr(data, '\n', (size_t)(end - data));
		const char *stop = line_end == NULL ? end : line_end;

		if (body->return_seen && stop > data) {
			body->return_seen = false;
			add_line(body, "\r", 1);
		}
		if (stop > data && stop[-1] == '\r') {
			body->return_seen = true;
			stop--;
		}
		add_line(body, data, (size_t)(stop - data));
		if (line_end == NULL)
			return;
		end_line(body);
		data = line_end + 1;
	}
}

bool cm_dkim_body_end(struct cm_dkim_body *body, unsigned char digest_r[CM_DKIM_HASH_SIZE])
{
	if (body->return_seen)
		add_line(body, "\r", 1);
	if (!body->relaxed || !body->empty)
		hash_add(&body->hash, "\r\n", 2);
	return cm_dkim_hash_end(&body->hash, digest_r);
}

void cm_dkim_body_free(struct cm_dkim_body *body)
{
	cm_dkim_hash_free(&body->hash);
}
