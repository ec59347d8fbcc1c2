#include "field_types.h"

#include "address.h"
#include "base64.h"
#include "rfc5322.h"

#include <string.h>

/* Characters of base64 in one key. Autocrypt 1.1 4.1 assumes whole messages of 10 KiB; keys
   with many signatures are larger. */
#define KEY_MAX 16384
/* Written in words of this many characters, so that the field can be folded. */
#define KEY_WORD 72

enum attribute {
	ADDR,
	PREFER_ENCRYPT,
	KEYDATA,
	ATTRIBUTES,
	OPTIONAL, /* starts with '_': may be omitted */
	UNKNOWN,
};

static const char *const names[ATTRIBUTES] = {
    [ADDR] = "addr",
    [PREFER_ENCRYPT] = "prefer-encrypt",
    [KEYDATA] = "keydata",
};

/* A word "name=text" after the separator. */
static void write_attribute(struct cm_field_writer *writer, enum attribute attribute,
			    const char *text, size_t length)
{
	char word[CM_ADDRESS_MAX + 32];
	size_t name_length = strlen(names[attribute]);

	if (name_length + 1 + length > sizeof(word))
		return;
	memcpy(word, names[attribute], name_length);
	word[name_length] = '=';
	memcpy(word + name_length + 1, text, length);
	if (writer->length > 0)
		cm_field_writer_append(writer, ";");
	cm_field_writer_word(writer, word, name_length + 1 + length);
}

/* The packet header of a public key (RFC 9580 4.2, 5.5.1.1), tag 6, in both formats. */
static bool is_key(const char *text, size_t length)
{
	struct cm_base64 decoder;
	unsigned char bytes[CM_BASE64_ROOM(4)];
	size_t count;

	cm_base64_init(&decoder);
	return length >= 4 && cm_base64_decode(&decoder, text, 4, bytes, &count) && count == 3 &&
	       (bytes[0] == 0xc6 || (bytes[0] >= 0x98 && bytes[0] <= 0x9a));
}

static bool write_key(struct cm_field_writer *writer, const char *text, size_t length)
{
	char key[KEY_MAX];
	unsigned char bytes[CM_BASE64_ROOM(KEY_MAX)];
	struct cm_base64 decoder;
	size_t used = 0, bytes_length;

	for (size_t i = 0; i < length; i++) {
		if (strchr(" \t\r\n", text[i]) != NULL)
			continue;
		if (used == sizeof(key))
			return false;
		key[used++] = text[i];
	}
	cm_base64_init(&decoder);
	if (!is_key(key, used) || !cm_base64_decode(&decoder, key, used, bytes, &bytes_length) ||
	    !cm_base64_end(&decoder, true, bytes, &bytes_length))
		return false;
	length = used < KEY_WORD ? used : KEY_WORD - strlen("keydata=");
	write_attribute(writer, KEYDATA, key, length);
	for (size_t i = length; i < used; i += KEY_WORD)
		cm_field_writer_word(writer, key + i, used - i < KEY_WORD ? used - i : KEY_WORD);
	return true;
}

static bool is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

static enum attribute find_attribute(const char *name, size_t length)
{
	if (length > 0 && name[0] == '_')
		return OPTIONAL;
	for (unsigned int i = 0; i < ATTRIBUTES; i++) {
		if (is_word(name, length, names[i]))
			return (enum attribute)i;
	}
	return UNKNOWN;
}

/* One attribute "name=text" with white space around both; *seen gets its bit. */
static bool read_attribute(const char *text, size_t length, unsigned int *seen,
			   struct cm_field_writer *writer)
{
	const char *equals = memchr(text, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - text) : 0;
	const char *name = cm_trim(text, &name_length);
	enum attribute attribute = find_attribute(name, name_length);
	struct cm_address address;

	if (attribute == OPTIONAL)
		return true;
	if (equals == NULL) { /* no text between two semicolons */
		cm_trim(text, &length);
		return length == 0;
	}
	if (attribute == UNKNOWN || (*seen & 1U << attribute) != 0)
		return false;
	*seen |= 1U << attribute;
	length -= (size_t)(equals + 1 - text);
	text = cm_trim(equals + 1, &length);
	if (attribute == KEYDATA)
		return write_key(writer, text, length);
	/* Receivers ignore the field if this is not the address in From (Autocrypt 1.1 2.2). */
	if (attribute == ADDR
		? writer->sender == NULL || !cm_address_parse(text, length, &address) ||
		      !cm_address_equal(&address, writer->sender)
		: !is_word(text, length, "mutual") && !is_word(text, length, "nopreference"))
		return false;
	write_attribute(writer, attribute, text, length);
	return true;
}

bool cm_field_autocrypt(const char *value, struct cm_field_writer *writer)
{
	const unsigned int needed = 1U << ADDR | 1U << KEYDATA;
	unsigned int seen = 0;

	for (;;) {
		size_t length = strcspn(value, ";");

		if (!read_attribute(value, length, &seen, writer))
			return false;
		if (value[length] == '\0')
			return (seen & needed) == needed;
		value += length + 1;
	}
}
