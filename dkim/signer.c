#include "signer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dkim_canonical.h"
#include "dkim_message.h"
#include "line_limit.h"

#define SIGNER_CREDENTIAL_PREFIX "dkim_"

#define NAME "DKIM-Signature"

/* Lines of the field are folded after this column, if possible, and begin with a TAB. */
#define FOLD_COLUMN 76
#define TAB_WIDTH   8

/* OpenDKIM's own list (RFC 6376 5.4.1), with upstream's Autocrypt and Content-Type. */
static const char *const signed_names[] = {
    "from",         "reply-to",     "subject",          "date",           "to",
    "cc",           "resent-date",  "resent-from",      "resent-sender",  "resent-to",
    "resent-cc",    "in-reply-to",  "references",       "list-id",        "list-help",
    "list-archive", "list-owner",   "list-unsubscribe", "list-subscribe", "list-post",
    "autocrypt",    "content-type",
};

#define SIGNED_NAMES (sizeof(signed_names) / sizeof(signed_names[0]))

struct cm_signer {
	atomic_uint references;
	struct cm_signing_keys keys;
	char *directory, *selector, *domain;
};

/* A field that is signed. */
struct field {
	size_t name; /* in signed_names */
	char *value;
};

struct cm_signature {
	const struct cm_signer *signer;
	const char *failed; /* the reason, or NULL */
	struct field *fields;
	size_t field_count, field_size, bytes;
	struct cm_dkim_body body;
	struct cm_line_limit limit;
	char *values[CM_SIGNING_KEYS_MAX];
	size_t count;
};

static void destroy(struct cm_signer *signer)
{
	cm_signing_keys_free(&signer->keys);
	free(signer->directory);
	free(signer->selector);
	free(signer->domain);
	free(signer);
}

static bool read_keys(struct cm_signer *signer, struct cm_error *err)
{
	const char *credentials = getenv(CM_SIGNER_CREDENTIALS);

	return cm_signing_keys_read(signer->directory, "", signer->selector, &signer->keys, err) ||
	       (credentials != NULL && cm_signing_keys_read(credentials, SIGNER_CREDENTIAL_PREFIX,
							    signer->selector, &signer->keys, NULL));
}

struct cm_signer *cm_signer_new(const char *directory, const char *selector, const char *domain,
				struct cm_error *err)
{
	struct cm_signer *signer = calloc(1, sizeof(*signer));

	if (signer == NULL) {
		cm_error_set_errno(err, "cannot sign");
		return NULL;
	}
	atomic_init(&signer->references, 1);
	signer->directory = strdup(directory);
	signer->selector = strdup(selector);
	signer->domain = strdup(domain);
	if (signer->directory == NULL || signer->selector == NULL || signer->domain == NULL)
		cm_error_set(err, "out of memory");
	else if (read_keys(signer, err))
		return signer;
	destroy(signer);
	return NULL;
}

struct cm_signer *cm_signer_share(struct cm_signer *signer)
{
	atomic_fetch_add(&signer->references, 1);
	return signer;
}

void cm_signer_free(struct cm_signer **signer_p)
{
	struct cm_signer *signer = *signer_p;

	*signer_p = NULL;
	if (signer != NULL && atomic_fetch_sub(&signer->references, 1) == 1)
		destroy(signer);
}

bool cm_signer_is_of(const struct cm_signer *signer, const char *directory, const char *selector,
		     const char *domain)
{
	return strcmp(signer->directory, directory) == 0 &&
	       strcmp(signer->selector, selector) == 0 && strcmp(signer->domain, domain) == 0;
}

const struct cm_signing_keys *cm_signer_keys(const struct cm_signer *signer)
{
	return &signer->keys;
}

static void add_body(void *context, const char *data, size_t length)
{
	cm_dkim_body_add(context, data, length);
}

struct cm_signature *cm_signature_begin(const struct cm_signer *signer)
{
	struct cm_signature *signature = calloc(1, sizeof(*signature));

	if (signature == NULL)
		return NULL;
	signature->signer = signer;
	cm_line_limit_init(&signature->limit, CM_SIGNER_LINE_MAX, add_body, &signature->body);
	if (cm_dkim_body_init(&signature->body, false))
		return signature;
	cm_signature_free(&signature);
	return NULL;
}

void cm_signature_free(struct cm_signature **signature_p)
{
	struct cm_signature *signature = *signature_p;

	*signature_p = NULL;
	if (signature == NULL)
		return;
	for (size_t i = 0; i < signature->field_count; i++)
		free(signature->fields[i].value);
	free(signature->fields);
	for (size_t i = 0; i < signature->count; i++)
		free(signature->values[i]);
	cm_dkim_body_free(&signature->body);
	free(signature);
}

/* SIGNED_NAMES if it is not signed. "From :" is From (RFC 5322 4.5). */
static size_t find_name(const char *name)
{
	size_t length = strlen(name), i = 0;

	while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	while (i < SIGNED_NAMES &&
	       (strncasecmp(signed_names[i], name, length) != 0 || signed_names[i][length] != '\0'))
		i++;
	return i;
}

static bool make_room(struct cm_signature *signature)
{
	size_t size = signature->field_size == 0 ? 16 : signature->field_size * 2;
	struct field *fields;

	if (signature->field_count < signature->field_size)
		return true;
	fields = realloc(signature->fields, size * sizeof(*fields));
	if (fields == NULL)
		return false;
	signature->fields = fields;
	signature->field_size = size;
	return true;
}

void cm_signature_header(struct cm_signature *signature, const char *name, const char *value)
{
	size_t index = find_name(name);
	struct field *field;

	if (signature->failed != NULL || index == SIGNED_NAMES)
		return;
	signature->bytes += strlen(value);
	if (signature->bytes > CM_DKIM_HEADER_BYTES_MAX ||
	    signature->field_count == CM_DKIM_HEADER_FIELDS_MAX) {
		signature->failed = "the header is too large";
		return;
	}
	if (!make_room(signature)) {
		signature->failed = "out of memory";
		return;
	}
	field = &signature->fields[signature->field_count];
	field->name = index;
	field->value = cm_line_limit_field(CM_SIGNER_LINE_MAX, strlen(name) + 1, value);
	if (field->value == NULL)
		signature->failed = "out of memory";
	else
		signature->field_count++;
}

void cm_signature_body(struct cm_signature *signature, const void *data, size_t length)
{
	if (signature->failed == NULL)
		cm_line_limit_add(&signature->limit, data, length);
}

/* Appends a word of the field, on a new line if it does not fit. */
static void put(FILE *stream, size_t *column, const char *text, size_t length)
{
	if (*column + length > FOLD_COLUMN) {
		fputs("\n\t", stream);
		*column = TAB_WIDTH;
	}
	fwrite(text, 1, length, stream);
	*column += length;
}

/* Appends base64, which may be folded anywhere. */
static void put_base64(FILE *stream, size_t *column, const unsigned char *bytes, size_t length)
{
	char text[CM_DKIM_SIGNATURE_BYTES_MAX / 3 * 4 + 8];
	size_t text_length = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);

	for (size_t done = 0; done < text_length;) {
		size_t room =
		    *column < FOLD_COLUMN ? FOLD_COLUMN - *column : FOLD_COLUMN - TAB_WIDTH;

		if (room > text_length - done)
			room = text_length - done;
		put(stream, column, text + done, room);
		done += room;
	}
}

/* h=: each signed field as often as it occurs, and each name once more. */
static void put_names(FILE *stream, size_t *column, const struct cm_signature *signature)
{
	const char *colon = "h=";

	for (size_t name = 0; name < SIGNED_NAMES; name++) {
		size_t times = 1;

		for (size_t i = 0; i < signature->field_count; i++)
			times += signature->fields[i].name == name;
		for (; times > 0; times--) {
			char word[32];
			int length =
			    snprintf(word, sizeof(word), "%s%s", colon, signed_names[name]);

			put(stream, column, word, (size_t)length);
			colon = ":";
		}
	}
}

/* The field up to and including "b=". The caller frees it; NULL if out of memory. */
static char *make_unsigned(const struct cm_signature *signature, const struct cm_signing_key *key,
			   const unsigned char body_hash[CM_DKIM_HASH_SIZE], time_t now,
			   size_t *column_r)
{
	const char *algorithm =
	    key->algorithm == CM_DKIM_RSA_SHA256 ? "rsa-sha256" : "ed25519-sha256";
	char *text = NULL;
	size_t length, column;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	fprintf(stream,
		" v=1; a=%s; c=relaxed/simple; d=%s;\n\ts=%s; t=%" PRIdMAX ";\n\tbh=", algorithm,
		signature->signer->domain, key->selector, (intmax_t)now);
	column = TAB_WIDTH + strlen("bh=");
	put_base64(stream, &column, body_hash, CM_DKIM_HASH_SIZE);
	fputs(";\n\t", stream);
	column = TAB_WIDTH;
	put_names(stream, &column, signature);
	fputs(";\n\tb=", stream);
	*column_r = TAB_WIDTH + strlen("b=");
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* RFC 6376 5.4.2: of several fields with one name, the last one first. */
static bool hash_header(const struct cm_signature *signature, const char *own,
			unsigned char digest_r[CM_DKIM_HASH_SIZE])
{
	struct cm_dkim_hash hash;
	bool good = cm_dkim_hash_init(&hash);

	for (size_t name = 0; good && name < SIGNED_NAMES; name++)
		for (size_t i = signature->field_count; i-- > 0;)
			if (signature->fields[i].name == name)
				cm_dkim_hash_field(&hash, true, signed_names[name],
						   strlen(signed_names[name]),
						   signature->fields[i].value,
						   strlen(signature->fields[i].value), true);
	if (good) {
		cm_dkim_hash_field(&hash, true, NAME, strlen(NAME), own, strlen(own), false);
		good = cm_dkim_hash_end(&hash, digest_r);
	}
	cm_dkim_hash_free(&hash);
	return good;
}

static char *sign(const struct cm_signature *signature, const struct cm_signing_key *key,
		  const unsigned char body_hash[CM_DKIM_HASH_SIZE], time_t now)
{
	unsigned char digest[CM_DKIM_HASH_SIZE], bytes[CM_DKIM_SIGNATURE_BYTES_MAX];
	size_t column, length, text_length;
	char *own = make_unsigned(signature, key, body_hash, now, &column);
	char *text = NULL;
	FILE *stream;

	if (own != NULL && hash_header(signature, own, digest) &&
	    cm_signing_key_sign(key, digest, bytes, &length) &&
	    (stream = open_memstream(&text, &text_length)) != NULL) {
		fputs(own, stream);
		put_base64(stream, &column, bytes, length);
		if (fclose(stream) != 0) {
			free(text);
			text = NULL;
		}
	}
	free(own);
	return text;
}

bool cm_signature_end(struct cm_signature *signature, time_t now, struct cm_error *err)
{
	const struct cm_signing_keys *keys = &signature->signer->keys;
	unsigned char body_hash[CM_DKIM_HASH_SIZE];

	if (signature->failed == NULL) {
		cm_line_limit_end(&signature->limit);
		if (!cm_dkim_body_end(&signature->body, body_hash))
			signature->failed = "OpenSSL cannot hash";
	}
	for (size_t i = 0; signature->failed == NULL && i < keys->count; i++) {
		signature->values[i] = sign(signature, &keys->key[i], body_hash, now);
		if (signature->values[i] == NULL)
			signature->failed = "OpenSSL cannot sign";
		else
			signature->count++;
	}
	if (signature->failed != NULL)
		cm_error_set(err, "cannot sign: %s", signature->failed);
	return signature->failed == NULL;
}

size_t cm_signature_count(const struct cm_signature *signature)
{
	return signature->count;
}

const char *cm_signature_value(const struct cm_signature *signature, size_t number)
{
	return signature->values[number];
}
