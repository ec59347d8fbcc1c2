#include "credentials.h"

#include <crypt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "registration.h"

#define SCHEME      "{SHA512-CRYPT}"
#define SCHEME_TAG  "$6$"
#define SALT_LENGTH 16

static const char name_alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char password_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
static const char salt_alphabet[] =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool cm_random_text(char *text, size_t length, const char *alphabet)
{
	size_t count = strlen(alphabet), filled = 0;
	/* Larger bytes would make the first characters of the alphabet likelier than the others. */
	size_t limit = 256 - 256 % count;
	uint8_t bytes[64];

	while (filled < length) {
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			return false;
		for (size_t i = 0; i < sizeof(bytes) && filled < length; i++)
			if (bytes[i] < limit)
				text[filled++] = alphabet[bytes[i] % count];
	}
	text[length] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	return true;
}

/* The length of upstream's names. */
#define NAME_LENGTH 9

/* NAME_LENGTH, unless the operator configured other lengths. */
static size_t name_length(const struct cm_config *config)
{
	size_t length = NAME_LENGTH;

	if (length < config->username_min_length)
		length = config->username_min_length;
	if (length > config->username_max_length)
		length = config->username_max_length;
	return length;
}

bool cm_credentials_address(const struct cm_config *config, struct cm_address *address_r,
			    struct cm_error *err)
{
	char name[CM_ADDRESS_LOCAL_MAX + 1], text[CM_ADDRESS_MAX + 2];
	int length;

	do {
		if (!cm_random_text(name, name_length(config), name_alphabet)) {
			cm_error_set_errno(err, "cannot get random numbers");
			return false;
		}
		length = snprintf(text, sizeof(text), "%s@%s", name, config->mail_domain);
		if (length > CM_ADDRESS_MAX || !cm_address_parse(text, (size_t)length, address_r)) {
			cm_error_set(err, "mail_domain = %s: cannot create addresses for it",
				     config->mail_domain);
			return false;
		}
	} while (!cm_registration_name_valid(config, address_r));
	return true;
}

char *cm_credentials_password(const struct cm_config *config, struct cm_error *err)
{
	size_t length = CM_PASSWORD_LENGTH;
	char *password;

	if (length < config->password_min_length)
		length = config->password_min_length;
	if (length > CM_PASSWORD_MAX) {
		cm_error_set(err, "password_min_length = %u: cannot hash more than %d",
			     config->password_min_length, CM_PASSWORD_MAX);
		return NULL;
	}
	password = malloc(length + 1);
	if (password == NULL) {
		cm_error_set(err, "out of memory");
	} else if (!cm_random_text(password, length, password_alphabet)) {
		cm_error_set_errno(err, "cannot get random numbers");
		free(password);
		password = NULL;
	}
	return password;
}

char *cm_password_hash(const char *password, struct cm_error *err)
{
	char setting[sizeof(SCHEME_TAG) + SALT_LENGTH + 1], salt[SALT_LENGTH + 1];
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *hash;
	char *result = NULL;

	if (data == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	if (!cm_random_text(salt, SALT_LENGTH, salt_alphabet)) {
		cm_error_set_errno(err, "cannot get random numbers");
		goto out;
	}
	snprintf(setting, sizeof(setting), SCHEME_TAG "%s$", salt);
	hash = crypt_r(password, setting, data);
	/* On failure crypt() returns NULL or an invalid hash. */
	if (hash == NULL || strncmp(hash, SCHEME_TAG, strlen(SCHEME_TAG)) != 0)
		cm_error_set(err, "cannot hash a password");
	else if (asprintf(&result, SCHEME "%s", hash) < 0) {
		cm_error_set(err, "out of memory");
		result = NULL;
	}
out:
	explicit_bzero(data, sizeof(*data));
	free(data);
	return result;
}
