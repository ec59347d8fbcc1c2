#include "tls_pair.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define DAY       86400
#define WARN_DAYS 21

static bool time_of(const ASN1_TIME *text, time_t *time_r)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(text, &tm) != 1)
		return false;
	*time_r = timegm(&tm);
	return true;
}

static X509 *read_certificate(const char *path, struct cm_tls_pair *pair_r, struct cm_error *err)
{
	FILE *file = fopen(path, "re");
	X509 *certificate;

	if (file == NULL) {
		cm_error_set_errno(err, "%s", path);
		return NULL;
	}
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	(void)fclose(file);
	if (certificate != NULL && time_of(X509_get0_notBefore(certificate), &pair_r->not_before) &&
	    time_of(X509_get0_notAfter(certificate), &pair_r->not_after))
		return certificate;
	cm_error_set(err, "%s: not a certificate in PEM format", path);
	X509_free(certificate);
	return NULL;
}

bool cm_tls_pair_read(const struct cm_config *config, struct cm_tls_pair *pair_r,
		      struct cm_error *err)
{
	X509 *certificate = read_certificate(config->tls_certificate, pair_r, err);

	X509_free(certificate);
	return certificate != NULL;
}

/* No passphrase is asked for: no server could answer. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static bool check_key(const struct cm_config *config, X509 *certificate, struct cm_error *err)
{
	FILE *file = fopen(config->tls_key, "re");
	EVP_PKEY *key;
	bool good;

	if (file == NULL) {
		cm_error_set_errno(err, "%s", config->tls_key);
		return false;
	}
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	(void)fclose(file);
	if (key == NULL) {
		cm_error_set(err, "%s: not a private key in PEM format without a passphrase",
			     config->tls_key);
		return false;
	}
	good = X509_check_private_key(certificate, key) == 1;
	EVP_PKEY_free(key);
	if (!good)
		cm_error_set(err, "%s: not the key of %s", config->tls_key,
			     config->tls_certificate);
	return good;
}

static bool check_name(const struct cm_config *config, X509 *certificate, struct cm_error *err)
{
	const char *host = config->mail_host;
	int result = config->mail_domain_is_ip ? X509_check_ip_asc(certificate, host, 0)
					       : X509_check_host(certificate, host, 0, 0, NULL);

	if (result == 1)
		return true;
	cm_error_set(err, "%s: not for %s", config->tls_certificate, host);
	return false;
}

bool cm_tls_pair_check(const struct cm_config *config, time_t now, struct cm_tls_pair *pair_r,
		       struct cm_error *err)
{
	X509 *certificate = read_certificate(config->tls_certificate, pair_r, err);
	bool good = false;

	if (certificate == NULL)
		return false;
	if (now < pair_r->not_before)
		cm_error_set(err, "%s: not valid yet", config->tls_certificate);
	else if (now >= pair_r->not_after)
		cm_error_set(err, "%s: has expired", config->tls_certificate);
	else
		good = check_key(config, certificate, err) && check_name(config, certificate, err);
	X509_free(certificate);
	return good;
}

bool cm_tls_pair_ends_soon(const struct cm_tls_pair *pair, time_t now)
{
	time_t warn = (pair->not_after - pair->not_before) / 4;

	if (warn > WARN_DAYS * DAY)
		warn = WARN_DAYS * DAY;
	return pair->not_after - now < warn;
}
