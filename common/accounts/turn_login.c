#include "turn_login.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "shared_secret.h"

#define SHA1_SIZE 20

bool cm_turn_login_make(const char *secret_file, time_t until, struct cm_turn_login *login_r,
			struct cm_error *err)
{
	unsigned char digest[SHA1_SIZE];
	char *secret = cm_shared_secret_read("turn_secret_file", secret_file, err);
	bool good;

	if (secret == NULL)
		return false;
	snprintf(login_r->username, sizeof(login_r->username), "%jd", (intmax_t)until);
	good =
	    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)login_r->username,
		 strlen(login_r->username), digest, NULL) != NULL;
	cm_shared_secret_free(secret);
	if (!good) {
		cm_error_set(err, "turn_secret_file: %s: cannot compute an HMAC", secret_file);
		return false;
	}
	EVP_EncodeBlock((unsigned char *)login_r->password, digest, sizeof(digest));
	return true;
}
