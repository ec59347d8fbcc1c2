#include "turn_login.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "file.h"

#define SHA1_SIZE 20

char *cm_turn_secret_read(const char *path, struct cm_error *err)
{
	char *secret;
	size_t length;

	if (!cm_file_read(AT_FDCWD, path, CM_TURN_SECRET_MAX, &secret, &length)) {
		cm_error_set_errno(err, "turn_secret_file: %s", path);
		return NULL;
	}
	while (length > 0 && strchr(" \t\r\n", secret[length - 1]) != NULL)
		secret[--length] = '\0';
	if (length > 0 && strlen(secret) == length)
		return secret;
	cm_error_set(err, "turn_secret_file: %s: %s", path,
		     length == 0 ? "is empty" : "has a NUL byte");
	OPENSSL_cleanse(secret, length);
	free(secret);
	return NULL;
}

void cm_turn_secret_free(char *secret)
{
	if (secret != NULL)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

bool cm_turn_login_make(const char *secret_file, time_t until, struct cm_turn_login *login_r,
			struct cm_error *err)
{
	unsigned char digest[SHA1_SIZE];
	char *secret = cm_turn_secret_read(secret_file, err);
	bool good;

	if (secret == NULL)
		return false;
	snprintf(login_r->username, sizeof(login_r->username), "%jd", (intmax_t)until);
	good =
	    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)login_r->username,
		 strlen(login_r->username), digest, NULL) != NULL;
	cm_turn_secret_free(secret);
	if (!good) {
		cm_error_set(err, "turn_secret_file: %s: no HMAC can be computed", secret_file);
		return false;
	}
	EVP_EncodeBlock((unsigned char *)login_r->password, digest, sizeof(digest));
	return true;
}
