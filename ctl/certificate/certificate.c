#include "certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "config_value.h"

#define DAY 86400L

/* The common name if the host's name is too long for one. */
#define COMMON_NAME_MAX 64

static bool add_extension(X509 *certificate, int id, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool good;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
	good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool set_serial(X509 *certificate)
{
	unsigned char serial[16];
	BIGNUM *number = NULL;
	bool good = RAND_bytes(serial, sizeof(serial)) == 1;

	serial[0] &= 0x7f;
	good = good && (number = BN_bin2bn(serial, sizeof(serial), NULL)) != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return good;
}

static bool set_name(X509 *certificate, const char *host)
{
	X509_NAME *name = X509_get_subject_name(certificate);

	return strlen(host) > COMMON_NAME_MAX ||
	       (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host,
					   -1, -1, 0) == 1 &&
		X509_set_issuer_name(certificate, name) == 1);
}

static X509 *make(const char *host, unsigned int days, EVP_PKEY *key)
{
	bool ip = cm_value_is_ip(host, strlen(host));
	X509 *certificate = X509_new();
	char *names = NULL;
	bool good;

	/* Other names of the relay need the operator's own certificate. */
	if (asprintf(&names, "%s:%s", ip ? "IP" : "DNS", host) < 0)
		names = NULL;
	good = certificate != NULL && names != NULL && X509_set_version(certificate, 2) == 1 &&
	       set_serial(certificate) && set_name(certificate, host) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), (int)days, 0, NULL) != NULL &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       add_extension(certificate, NID_subject_alt_name, names) &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
	free(names);
	if (good)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static char *bio_text(BIO *bio)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);

	return length > 0 ? strndup(data, (size_t)length) : NULL;
}

/* Never asks for a passphrase, because servers could not answer. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

EVP_PKEY *cm_certificate_read_key(const char *path, struct cm_error *err)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key;

	if (file == NULL) {
		cm_error_set_errno(err, "%s", path);
		return NULL;
	}
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	(void)fclose(file);
	if (key == NULL)
		cm_error_set(err, "%s: not a private key in PEM format without a passphrase", path);
	return key;
}

bool cm_certificate_make(const char *host, unsigned int days, const char *key_path,
			 char **certificate_r, char **key_r, struct cm_error *err)
{
	EVP_PKEY *key =
	    key_path != NULL ? cm_certificate_read_key(key_path, err) : EVP_EC_gen("P-256");
	X509 *certificate = key != NULL ? make(host, days, key) : NULL;
	BIO *out = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
	bool good;

	*certificate_r = *key_r = NULL;
	if (certificate != NULL && out != NULL && secret != NULL &&
	    PEM_write_bio_X509(out, certificate) == 1 &&
	    PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1) {
		*certificate_r = bio_text(out);
		*key_r = bio_text(secret);
	}
	good = *certificate_r != NULL && *key_r != NULL;
	if (!good && (key != NULL || key_path == NULL))
		cm_error_set(err, "cannot create a certificate for %s", host);
	BIO_free(out);
	BIO_free(secret);
	X509_free(certificate);
	EVP_PKEY_free(key);
	if (good)
		return true;
	free(*certificate_r);
	free(*key_r);
	*certificate_r = *key_r = NULL;
	return false;
}
