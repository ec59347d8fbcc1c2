#include "secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

/* The same as upstream's; a record with a larger key and its neighbours do not fit into one
   UDP packet. */
#define DKIM_BITS 2048

#define SHARED_BYTES 32

char *cm_secrets_dkim_key(struct cm_error *err)
{
	EVP_PKEY *key = EVP_RSA_gen(DKIM_BITS);
	BIO *out = BIO_new(BIO_s_secmem());
	char *data, *text = NULL;
	long length;

	if (key != NULL && out != NULL &&
	    PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1) {
		length = BIO_get_mem_data(out, &data);
		text = strndup(data, (size_t)length);
	}
	BIO_free(out);
	EVP_PKEY_free(key);
	if (text == NULL)
		cm_error_set(err, "cannot create a DKIM key");
	return text;
}

char *cm_secrets_shared(struct cm_error *err)
{
	unsigned char bytes[SHARED_BYTES];
	char *text = malloc(2 * SHARED_BYTES + 2);

	if (text == NULL || RAND_bytes(bytes, sizeof(bytes)) != 1) {
		cm_error_set(err, "cannot get random numbers");
		free(text);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	strcpy(text + 2 * sizeof(bytes), "\n");
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return text;
}

void cm_secrets_wipe(char *text)
{
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}
