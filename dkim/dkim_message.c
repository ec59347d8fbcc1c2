#include "dkim_message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dkim_canonical.h"

/* One header field; its text is name and value, at offset in the message's buffer. */
struct field {
	size_t offset;
	size_t name_length;
	size_t value_length;
	bool used; /* by the h= that is being processed */
};

struct candidate {
	struct cm_dkim_signature signature;
	unsigned char digest[CM_DKIM_HASH_SIZE];
};

struct cm_dkim_message {
	bool failed;
	bool is_signed;
	bool too_large;
	const char *why;

	char *text;
	size_t text_length;
	size_t text_size;
	struct field *fields;
	size_t field_count;
	size_t field_size;

	/* The signatures' tags point to text, which is freed in end_fields: afterwards only
	   their own arrays are used. */
	struct candidate *candidates[CM_DKIM_SIGNATURES_MAX];
	size_t candidate_count;
	size_t tried; /* signatures of the domain, candidates or not */

	struct cm_dkim_body *bodies[2]; /* simple and relaxed; NULL: not needed */
	unsigned char body_hashes[2][CM_DKIM_HASH_SIZE];
};

struct cm_dkim_message *cm_dkim_message_new(void)
{
	return calloc(1, sizeof(struct cm_dkim_message));
}

static void free_fields(struct cm_dkim_message *message)
{
	free(message->text);
	free(message->fields);
	message->text = NULL;
	message->fields = NULL;
	message->text_length = message->text_size = 0;
	message->field_count = message->field_size = 0;
}

static void free_body(struct cm_dkim_body **body)
{
	if (*body == NULL)
		return;
	cm_dkim_body_free(*body);
	free(*body);
	*body = NULL;
}

void cm_dkim_message_free(struct cm_dkim_message **message)
{
	if (*message == NULL)
		return;
	free_fields(*message);
	for (size_t i = 0; i < (*message)->candidate_count; i++)
		free((*message)->candidates[i]);
	free_body(&(*message)->bodies[false]);
	free_body(&(*message)->bodies[true]);
	free(*message);
	*message = NULL;
}

/* Makes room for one more field of so many bytes. */
static bool make_room(struct cm_dkim_message *message, size_t length)
{
	if (message->text_size - message->text_length < length) {
		size_t size = message->text_size == 0 ? 4096 : message->text_size * 2;
		char *text;

		while (size - message->text_length < length)
			size *= 2;
		text = realloc(message->text, size);
		if (text == NULL)
			return false;
		message->text = text;
		message->text_size = size;
	}
	if (message->field_count == message->field_size) {
		size_t size = message->field_size == 0 ? 32 : message->field_size * 2;
		struct field *fields = realloc(message->fields, size * sizeof(*fields));

		if (fields == NULL)
			return false;
		message->fields = fields;
		message->field_size = size;
	}
	return true;
}

void cm_dkim_message_field(struct cm_dkim_message *message, const char *name, const char *value)
{
	size_t name_length = strlen(name), value_length = strlen(value);
	struct field *field;

	if (message->failed || message->too_large)
		return;
	if (name_length > CM_DKIM_HEADER_BYTES_MAX || value_length > CM_DKIM_HEADER_BYTES_MAX ||
	    message->text_length + name_length + value_length > CM_DKIM_HEADER_BYTES_MAX ||
	    message->field_count == CM_DKIM_HEADER_FIELDS_MAX) {
		message->too_large = true;
		message->why = "the header is too large";
		free_fields(message);
		return;
	}
	if (!make_room(message, name_length + value_length)) {
		message->failed = true;
		return;
	}
	field = &message->fields[message->field_count++];
	field->offset = message->text_length;
	field->name_length = name_length;
	field->value_length = value_length;
	memcpy(message->text + field->offset, name, name_length);
	memcpy(message->text + field->offset + name_length, value, value_length);
	message->text_length += name_length + value_length;
}

static const char *field_name(const struct cm_dkim_message *message, const struct field *field)
{
	return message->text + field->offset;
}

static const char *field_value(const struct cm_dkim_message *message, const struct field *field)
{
	return message->text + field->offset + field->name_length;
}

/* "From :" is From, too (RFC 5322 4.5). */
static bool field_is(const struct cm_dkim_message *message, const struct field *field,
		     const char *name, size_t length)
{
	const char *own = field_name(message, field);

	if (field->name_length < length || strncasecmp(own, name, length) != 0)
		return false;
	for (size_t i = length; i < field->name_length; i++)
		if (own[i] != ' ' && own[i] != '\t')
			return false;
	return true;
}

/* RFC 6376 5.4.2: of several fields with one name, h= means the last one not used yet. A
   missing field is no error. */
static struct field *take_field(struct cm_dkim_message *message, const char *name, size_t length)
{
	for (size_t i = message->field_count; i-- > 0;) {
		struct field *field = &message->fields[i];

		if (!field->used && field_is(message, field, name, length)) {
			field->used = true;
			return field;
		}
	}
	return NULL;
}

/* RFC 6376 3.7: the signature's own field comes last, with b= empty and without its line end. */
static bool hash_own_field(struct cm_dkim_message *message, struct cm_dkim_hash *hash,
			   const struct field *field, const struct cm_dkim_signature *signature)
{
	const char *value = field_value(message, field);
	size_t before = (size_t)(signature->signature.raw - value);
	size_t after = field->value_length - before - signature->signature.raw_length;
	char *copy = malloc(before + after + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, value, before);
	memcpy(copy + before, value + field->value_length - after, after);
	cm_dkim_hash_field(hash, signature->relaxed_header, field_name(message, field),
			   field->name_length, copy, before + after, false);
	free(copy);
	return true;
}

/* True if the signature covers every From field. */
static bool all_from_used(const struct cm_dkim_message *message)
{
	for (size_t i = 0; i < message->field_count; i++)
		if (!message->fields[i].used && field_is(message, &message->fields[i], "from", 4))
			return false;
	return true;
}

static const char *hash_header(struct cm_dkim_message *message, struct field *own,
			       struct candidate *candidate)
{
	struct cm_dkim_signature *signature = &candidate->signature;
	const char *why = NULL, *name;
	size_t position = 0, length;
	struct cm_dkim_hash hash;

	if (!cm_dkim_hash_init(&hash)) {
		message->failed = true;
		goto out;
	}
	for (size_t i = 0; i < message->field_count; i++)
		message->fields[i].used = false;
	own->used = true; /* h= may name other signatures, never itself (RFC 6376 3.5) */
	while (cm_tag_next_word(&signature->signed_names, &position, &name, &length)) {
		const struct field *field = take_field(message, name, length);

		if (field != NULL)
			cm_dkim_hash_field(&hash, signature->relaxed_header,
					   field_name(message, field), field->name_length,
					   field_value(message, field), field->value_length, true);
	}
	if (!all_from_used(message))
		why = "a From field is not signed";
	else if (!hash_own_field(message, &hash, own, signature) ||
		 !cm_dkim_hash_end(&hash, candidate->digest))
		message->failed = true;
out:
	cm_dkim_hash_free(&hash);
	return why;
}

/* Each name in h=, even of a missing field, costs a pass over the fields. Both numbers are
   limited (dkim_signature.c, CM_DKIM_HEADER_FIELDS_MAX). */
static void consider(struct cm_dkim_message *message, struct field *field, const char *domain,
		     time_t now)
{
	struct candidate *candidate = malloc(sizeof(*candidate));
	const char *why;

	message->is_signed = true;
	if (candidate == NULL) {
		message->failed = true;
		return;
	}
	why = cm_dkim_signature_parse(field_value(message, field), field->value_length, now,
				      &candidate->signature);
	if (why == NULL && strcasecmp(candidate->signature.domain, domain) != 0)
		why = "d= is not the domain of From";
	if (why == NULL) {
		message->tried++;
		why = hash_header(message, field, candidate);
	}
	if (why == NULL && !message->failed) {
		message->candidates[message->candidate_count++] = candidate;
		return;
	}
	message->why = why;
	free(candidate);
}

static void start_bodies(struct cm_dkim_message *message)
{
	for (size_t i = 0; i < message->candidate_count; i++) {
		bool relaxed = message->candidates[i]->signature.relaxed_body;
		struct cm_dkim_body **body = &message->bodies[relaxed];

		if (*body != NULL)
			continue;
		*body = calloc(1, sizeof(**body));
		if (*body == NULL || !cm_dkim_body_init(*body, relaxed)) {
			message->failed = true;
			return;
		}
	}
}

void cm_dkim_message_end_fields(struct cm_dkim_message *message, const char *domain, time_t now)
{
	for (size_t i = 0; i < message->field_count && !message->failed &&
			   message->tried < CM_DKIM_SIGNATURES_MAX;
	     i++)
		if (field_is(message, &message->fields[i], "dkim-signature",
			     strlen("dkim-signature")))
			consider(message, &message->fields[i], domain, now);
	if (message->too_large)
		message->is_signed = true;
	start_bodies(message);
	free_fields(message);
}

void cm_dkim_message_body(struct cm_dkim_message *message, const void *data, size_t length)
{
	for (size_t i = 0; i < 2 && !message->failed; i++)
		if (message->bodies[i] != NULL)
			cm_dkim_body_add(message->bodies[i], data, length);
}

void cm_dkim_message_end_body(struct cm_dkim_message *message)
{
	for (size_t i = 0; i < 2 && !message->failed; i++)
		if (message->bodies[i] != NULL &&
		    !cm_dkim_body_end(message->bodies[i], message->body_hashes[i]))
			message->failed = true;
}

bool cm_dkim_message_failed(const struct cm_dkim_message *message)
{
	return message->failed;
}

bool cm_dkim_message_is_signed(const struct cm_dkim_message *message)
{
	return message->is_signed;
}

const char *cm_dkim_message_why(const struct cm_dkim_message *message)
{
	return message->why;
}

size_t cm_dkim_message_candidates(const struct cm_dkim_message *message)
{
	return message->candidate_count;
}

const char *cm_dkim_message_key_name(const struct cm_dkim_message *message, size_t candidate)
{
	return message->candidates[candidate]->signature.key_name;
}

bool cm_dkim_message_body_matches(const struct cm_dkim_message *message, size_t candidate)
{
	const struct cm_dkim_signature *signature = &message->candidates[candidate]->signature;

	return memcmp(message->body_hashes[signature->relaxed_body], signature->body_hash,
		      CM_DKIM_HASH_SIZE) == 0;
}

enum cm_dkim_answer cm_dkim_message_verify(const struct cm_dkim_message *message, size_t candidate,
					   const char *record, size_t length, const char **why_r)
{
	const struct candidate *one = message->candidates[candidate];

	return cm_dkim_key_verify(record, length, &one->signature, one->digest, why_r);
}
