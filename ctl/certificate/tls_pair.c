#include "tls_pair.h"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "file.h"

/* The beginning of temporary names. */
#define TEMPORARY ".chatmailctl-"

#define DAY       86400
#define WARN_DAYS 21

/* Bytes of a file: a chain of certificates has some 6 KB. */
#define FILE_MAX (1 << 20)

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
	    time_of(X509_get0_notAfter(certificate), &pair_r->not_after) &&
	    X509_digest(certificate, EVP_sha256(), pair_r->fingerprint, NULL) == 1) {
		pair_r->self_signed = X509_self_signed(certificate, 0) == 1;
		return certificate;
	}
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

static bool check_key(const struct cm_tls_files *files, X509 *certificate, struct cm_error *err)
{
	EVP_PKEY *key = cm_certificate_read_key(files->key, err);
	bool good;

	if (key == NULL)
		return false;
	good = X509_check_private_key(certificate, key) == 1;
	EVP_PKEY_free(key);
	if (!good)
		cm_error_set(err, "%s: not the key of %s", files->key, files->certificate);
	return good;
}

static bool is_for_host(X509 *certificate, const char *prefix, const char *domain)
{
	char *name = NULL;
	bool good = asprintf(&name, "%s.%s", prefix, domain) >= 0 &&
		    X509_check_host(certificate, name, 0, 0, NULL) == 1;

	free(name);
	return good;
}

static bool check_names(const struct cm_config *config, const struct cm_tls_files *files,
			X509 *certificate, struct cm_tls_pair *pair_r, struct cm_error *err)
{
	const char *host = config->mail_host;
	int result = config->mail_domain_is_ip ? X509_check_ip_asc(certificate, host, 0)
					       : X509_check_host(certificate, host, 0, 0, NULL);

	if (result != 1) {
		cm_error_set(err, "%s: not for %s", files->certificate, host);
		return false;
	}
	if (config->mail_domain_is_ip)
		return true;
	if (!is_for_host(certificate, "mta-sts", host))
		pair_r->missing |= CM_TLS_MTA_STS;
	if (!is_for_host(certificate, "autoconfig", host))
		pair_r->missing |= CM_TLS_AUTOCONFIG;
	return true;
}

bool cm_tls_pair_check(const struct cm_config *config, const struct cm_tls_files *files, time_t now,
		       struct cm_tls_pair *pair_r, struct cm_error *err)
{
	X509 *certificate = read_certificate(files->certificate, pair_r, err);
	bool good = false;

	if (certificate == NULL)
		return false;
	pair_r->missing = 0;
	if (now < pair_r->not_before)
		cm_error_set(err, "%s: not valid yet", files->certificate);
	else if (now >= pair_r->not_after)
		cm_error_set(err, "%s: expired", files->certificate);
	else
		good = check_key(files, certificate, err) &&
		       check_names(config, files, certificate, pair_r, err);
	X509_free(certificate);
	return good;
}

static bool is_same_file(const char *first, const char *second)
{
	char *one = realpath(first, NULL), *other = realpath(second, NULL);
	bool same = one != NULL && other != NULL && strcmp(one, other) == 0;

	free(one);
	free(other);
	return same;
}

/* ACME clients keep symbolic links to the current files. */
static bool read_whole(const char *path, char **data_r, size_t *length_r)
{
	char *real = realpath(path, NULL);
	bool good = real != NULL && cm_file_read(AT_FDCWD, real, FILE_MAX, data_r, length_r);

	free(real);
	return good;
}

/* Opens the directory of a path, which is made if it is missing. */
static int open_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash != NULL ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	int fd = -1;

	if (parent != NULL && cm_file_make_directories(parent, 0755))
		fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	return fd;
}

/* A file that is complete on the disk under a temporary name beside its place. */
struct prepared {
	int directory;
	const char *name;
	char temporary[sizeof(TEMPORARY) + CM_FILE_RANDOM_SIZE];
};

static bool prepare(const char *from, const char *to, mode_t mode, struct prepared *prepared_r,
		    struct cm_error *err)
{
	const char *slash = strrchr(to, '/');
	char random[CM_FILE_RANDOM_SIZE], *data = NULL;
	size_t length;
	bool good;

	*prepared_r = (struct prepared){.directory = -1, .name = slash != NULL ? slash + 1 : to};
	if (!read_whole(from, &data, &length)) {
		cm_error_set_errno(err, "%s", from);
		return false;
	}
	good = cm_file_random_name(random);
	if (good) {
		snprintf(prepared_r->temporary, sizeof(prepared_r->temporary), TEMPORARY "%s",
			 random);
		prepared_r->directory = open_parent(to);
	}
	good = prepared_r->directory >= 0 &&
	       cm_file_write(prepared_r->directory, prepared_r->temporary, TEMPORARY, data, length,
			     mode, CM_FILE_NO_REPLACE | CM_FILE_DURABLE);
	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", to);
	explicit_bzero(data, length);
	free(data);
	return good;
}

static bool give_name(const struct prepared *prepared, struct cm_error *err)
{
	if (renameat(prepared->directory, prepared->temporary, prepared->directory,
		     prepared->name) == 0 &&
	    fsync(prepared->directory) == 0)
		return true;
	cm_error_set_errno(err, "%s: cannot be written", prepared->name);
	return false;
}

/* Removes the file, unless it has its name. */
static void discard(const struct prepared *prepared)
{
	if (prepared->directory < 0)
		return;
	(void)unlinkat(prepared->directory, prepared->temporary, 0);
	close(prepared->directory);
}

/* Whatever may fail on a full disk comes before the first change: servers would not start with a
   key and another key's certificate. */
bool cm_tls_pair_install(const struct cm_config *config, const struct cm_tls_files *files,
			 struct cm_error *err)
{
	struct prepared key = {.directory = -1}, certificate = {.directory = -1};
	bool moves_key = !is_same_file(files->key, config->tls_key);
	bool moves_certificate = !is_same_file(files->certificate, config->tls_certificate);
	bool good = (!moves_key || prepare(files->key, config->tls_key, 0600, &key, err)) &&
		    (!moves_certificate || prepare(files->certificate, config->tls_certificate,
						   0644, &certificate, err)) &&
		    (!moves_key || give_name(&key, err)) &&
		    (!moves_certificate || give_name(&certificate, err));

	discard(&key);
	discard(&certificate);
	return good;
}

bool cm_tls_pair_ends_soon(const struct cm_tls_pair *pair, time_t now)
{
	time_t warn = (pair->not_after - pair->not_before) / 4;

	if (warn > WARN_DAYS * DAY)
		warn = WARN_DAYS * DAY;
	return pair->not_after - now < warn;
}
