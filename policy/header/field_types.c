#include "field_types.h"

#include "address_list.h"
#include "mime_value.h"
#include "rfc5322.h"

#include <string.h>
#include <strings.h>

/* Longest of the values that are a single word. */
#define TOKEN_MAX 64
/* Maximum number of identifiers in References; no real thread has more. */
#define MESSAGE_IDS_MAX 100

#define HIDDEN_RECIPIENTS "\"hidden-recipients\": ;"

static bool write(struct cm_field_writer *writer, const char *text)
{
	cm_field_writer_word(writer, text, strlen(text));
	return true;
}

static void write_address(void *context, const char *text, size_t length)
{
	struct cm_field_writer *writer = context;
	char word[CM_WORD_MAX];

	if (length + 2 > sizeof(word))
		return;
	word[0] = '<';
	memcpy(word + 1, text, length);
	word[length + 1] = '>';
	if (writer->length > 0)
		cm_field_writer_append(writer, ",");
	cm_field_writer_word(writer, word, length + 2);
}

bool cm_field_addresses(const char *value, struct cm_field_writer *writer)
{
	cm_address_list_read(value, write_address, writer);
	return true;
}

static void write_first_address(void *context, const char *text, size_t length)
{
	struct cm_field_writer *writer = context;

	if (writer->length == 0)
		write_address(writer, text, length);
}

bool cm_field_address(const char *value, struct cm_field_writer *writer)
{
	cm_address_list_read(value, write_first_address, writer);
	return true;
}

static void write_own_address(void *context, const char *text, size_t length)
{
	struct cm_field_writer *writer = context;
	struct cm_address address;

	if (writer->sender != NULL && cm_address_parse_quoted(text, length, &address) &&
	    cm_address_equal(&address, writer->sender))
		write_first_address(writer, text, length);
}

bool cm_field_own_address(const char *value, struct cm_field_writer *writer)
{
	cm_address_list_read(value, write_own_address, writer);
	return true;
}

bool cm_field_recipients(const char *value, struct cm_field_writer *writer)
{
	cm_address_list_read(value, write_address, writer);
	return writer->length > 0 || write(writer, HIDDEN_RECIPIENTS);
}

/* Writes up to `most` identifiers. Skips other text up to the next '<'. */
static bool write_message_ids(const char *value, size_t most, struct cm_field_writer *writer)
{
	const char *at = value;

	while (most > 0 && (at = strchr(at, '<')) != NULL) {
		size_t length = cm_message_id_length(at);

		if (length > 0) {
			cm_field_writer_word(writer, at, length);
			most--;
		}
		at += length > 0 ? length : 1;
	}
	return true;
}

bool cm_field_message_id(const char *value, struct cm_field_writer *writer)
{
	return write_message_ids(value, 1, writer);
}

bool cm_field_message_ids(const char *value, struct cm_field_writer *writer)
{
	return write_message_ids(value, MESSAGE_IDS_MAX, writer);
}

bool cm_field_subject(const char *value, struct cm_field_writer *writer)
{
	static const char setup[] = "Autocrypt Setup Message";

	return write(writer, cm_text_is(value, setup) ? setup : "[...]");
}

bool cm_field_mime_version(const char *value, struct cm_field_writer *writer)
{
	(void)value;
	return write(writer, "1.0");
}

/* text contains no quote and no backslash: cm_mime_value_parse() removed or refused them. */
static void write_parameter(struct cm_field_writer *writer, const char *name, const char *text)
{
	char word[CM_MIME_NAME_MAX + CM_MIME_TEXT_MAX + sizeof("=\"\"")];
	const char *end = stpcpy(stpcpy(stpcpy(stpcpy(word, name), "=\""), text), "\"");

	cm_field_writer_append(writer, ";");
	cm_field_writer_word(writer, word, (size_t)(end - word));
}

bool cm_field_content_type(const char *value, struct cm_field_writer *writer)
{
	struct cm_mime_value parsed;

	if (cm_mime_value_parse(value, true, true, &parsed) != NULL)
		return false;
	write(writer, parsed.value);
	for (size_t i = 0; i < parsed.parameter_count; i++) {
		const char *text = parsed.parameter[i].text;

		if (strcmp(parsed.parameter[i].name, "protocol") == 0
			? strcasecmp(text, "application/pgp-encrypted") == 0
			: strcmp(parsed.parameter[i].name, "boundary") == 0 &&
			      cm_mime_boundary_valid(text, true))
			write_parameter(writer, parsed.parameter[i].name, text);
	}
	return true;
}

/* Writes the first word of the value, in lower case, if it is one of the words (NULL ends the
   list). */
static bool write_listed(const char *value, const char *const *words,
			 struct cm_field_writer *writer)
{
	struct cm_mime_value parsed;

	if (cm_mime_value_parse(value, false, false, &parsed) != NULL)
		return false;
	while (*words != NULL && strcmp(parsed.value, *words) != 0)
		words++;
	return *words != NULL && write(writer, *words);
}

bool cm_field_transfer_encoding(const char *value, struct cm_field_writer *writer)
{
	static const char *const words[] = {"7bit", "8bit", NULL};

	return write_listed(value, words, writer);
}

bool cm_field_auto_submitted(const char *value, struct cm_field_writer *writer)
{
	static const char *const words[] = {"auto-generated", "auto-replied", "no", NULL};

	return write_listed(value, words, writer);
}

bool cm_field_setup_version(const char *value, struct cm_field_writer *writer)
{
	static const char *const words[] = {"v1", NULL};

	return write_listed(value, words, writer);
}

bool cm_field_flag(const char *value, struct cm_field_writer *writer)
{
	static const char *const words[] = {"1", NULL};

	return write_listed(value, words, writer);
}

bool cm_field_secure_join(const char *value, struct cm_field_writer *writer)
{
	static const char *const words[] = {
	    "vc-request",
	    "vg-request",
	    "vc-auth-required",
	    "vg-auth-required",
	    "vc-request-with-auth",
	    "vg-request-with-auth",
	    "vc-contact-confirm",
	    "vg-member-added",
	    "vc-request-pubkey",
	    "vc-pubkey",
	    NULL,
	};

	return write_listed(value, words, writer);
}

/* Writes the trimmed value if it has 1 to max characters of the set. */
static bool write_of(const char *value, const char *set, size_t max, struct cm_field_writer *writer)
{
	size_t length = strlen(value);

	value = cm_trim(value, &length);
	if (length == 0 || length > max || strspn(value, set) < length)
		return false;
	cm_field_writer_word(writer, value, length);
	return true;
}

bool cm_field_version(const char *value, struct cm_field_writer *writer)
{
	return write_of(value, "0123456789.", 8, writer);
}

bool cm_field_number(const char *value, struct cm_field_writer *writer)
{
	return write_of(value, "0123456789", 10, writer);
}

bool cm_field_token(const char *value, struct cm_field_writer *writer)
{
	return write_of(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
			TOKEN_MAX, writer);
}

bool cm_field_fingerprint(const char *value, struct cm_field_writer *writer)
{
	return write_of(value, "0123456789ABCDEFabcdef", TOKEN_MAX, writer);
}
