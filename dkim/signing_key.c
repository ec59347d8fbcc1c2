#include "signing_key.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "file.h"

/* RFC 8301 3.2: signers use at least 1024 bits, and verifiers need not accept more than 4096. */
#define SIGNING_RSA_BITS_MIN 1024
#define SIGNING_RSA_BITS_MAX 4096

/* The secure heap and its smallest block. An RSA key of 4096 bits takes 4 KB of it. */
#define SECURE_HEAP_BYTES 65536
#define SECURE_HEAP_BLOCK 32

/* Longest key file: an RSA key of 8192 bits has 6.4 KB. */
#define KEY_FILE_MAX 16384

static void start_secure_heap(void)
{
	/* If it is not available (the process may lock no memory), OpenSSL uses ordinary
	   memory, and wipes it. */
	(void)CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_BLOCK);
}

/* Reads the file into the secure heap. NULL with errno set. */
static char *read_file(const char *path, size_t *length_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	struct stat status;
	ssize_t length;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) < 0)
		goto out;
	errno = EINVAL;
	if (!S_ISREG(status.st_mode) || status.st_size > KEY_FILE_MAX)
		goto out;
	errno = ENOMEM;
	text = OPENSSL_secure_malloc(KEY_FILE_MAX);
	if (text == NULL)
		goto out;
	length = cm_file_read_fully(fd, text, KEY_FILE_MAX);
	if (length >= 0) {
		*length_r = (size_t)length;
	} else {
		OPENSSL_secure_clear_free(text, KEY_FILE_MAX);
		text = NULL;
	}
out:
	cm_file_close(fd);
	return text;
}

/* Otherwise OpenSSL asks for a password on the terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static EVP_PKEY *parse_key(const char *text, size_t length)
{
	BIO *bio = BIO_new_mem_buf(text, (int)length);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

/* NULL, or the reason why the key cannot sign. */
static const char *check_key(struct cm_signing_key *key)
{
	int bits;

	switch (EVP_PKEY_get_base_id(key->key)) {
	case EVP_PKEY_ED25519:
		key->algorithm = CM_DKIM_ED25519_SHA256;
		return NULL;
	case EVP_PKEY_RSA:
		key->algorithm = CM_DKIM_RSA_SHA256;
		bits = EVP_PKEY_get_bits(key->key);
		if (bits < SIGNING_RSA_BITS_MIN || bits > SIGNING_RSA_BITS_MAX)
			return "an RSA key must have 1024 to 4096 bits";
		return NULL;
	default:
		return "neither an RSA key nor an Ed25519 key";
	}
}

enum outcome {
	READ,
	ABSENT,
	FAILED,
};

static enum outcome read_key(const char *directory, const char *prefix, struct cm_signing_key *key,
			     struct cm_error *err)
{
	char path[CM_ERROR_SIZE / 2];
	enum outcome outcome;
	const char *why;
	size_t length;
	char *text;

	key->key = NULL;
	snprintf(path, sizeof(path), "%s/%s%s.private", directory, prefix, key->selector);
	text = read_file(path, &length);
	if (text == NULL) {
		outcome = errno == ENOENT ? ABSENT : FAILED;
		cm_error_set_errno(err, "%s", path);
		return outcome;
	}
	key->key = parse_key(text, length);
	OPENSSL_secure_clear_free(text, KEY_FILE_MAX);
	why = key->key == NULL ? "not a private key in PEM without a password" : check_key(key);
	if (why == NULL)
		return READ;
	cm_error_set(err, "%s: %s", path, why);
	EVP_PKEY_free(key->key);
	key->key = NULL;
	return FAILED;
}

static bool add_key(const char *directory, const char *prefix, const char *selector,
		    const char *suffix, struct cm_signing_keys *keys, struct cm_error *err)
{
	struct cm_signing_key *key = &keys->key[keys->count];

	snprintf(key->selector, sizeof(key->selector), "%s%s", selector, suffix);
	switch (read_key(directory, prefix, key, err)) {
	case READ:
		keys->count++;
		return true;
	case ABSENT:
		return true;
	default:
		return false;
	}
}

bool cm_signing_keys_read(const char *directory, const char *prefix, const char *selector,
			  struct cm_signing_keys *keys_r, struct cm_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct cm_error why, why_second;
	bool good;

	pthread_once(&once, start_secure_heap);
	keys_r->count = 0;
	good = add_key(directory, prefix, selector, "", keys_r, &why);
	if (good &&
	    !add_key(directory, prefix, selector, CM_SIGNING_ED25519_SUFFIX, keys_r, &why_second)) {
		why = why_second;
		good = false;
	}
	if (good && keys_r->count > 0)
		return true;
	cm_error_set(err, "%s", why.text);
	cm_signing_keys_free(keys_r);
	return false;
}

void cm_signing_keys_free(struct cm_signing_keys *keys)
{
	while (keys->count > 0)
		EVP_PKEY_free(keys->key[--keys->count].key);
}

/* RFC 6376 3.6.1, in the form of its erratum 3758, which is in use; RFC 8463 4.2: the bare
   key. */
char *cm_signing_key_record(const struct cm_signing_key *key)
{
	bool rsa = key->algorithm == CM_DKIM_RSA_SHA256;
	unsigned char raw[32], *bytes = raw;
	size_t length = sizeof(raw);
	char *base64, *record = NULL;
	int der_length;

	if (rsa) {
		bytes = NULL;
		der_length = i2d_PUBKEY(key->key, &bytes);
		if (der_length <= 0)
			return NULL;
		length = (size_t)der_length;
	} else if (EVP_PKEY_get_raw_public_key(key->key, raw, &length) != 1) {
		return NULL;
	}
	base64 = malloc(length / 3 * 4 + 5);
	if (base64 != NULL) {
		EVP_EncodeBlock((unsigned char *)base64, bytes, (int)length);
		if (asprintf(&record, "v=DKIM1; k=%s; p=%s", rsa ? "rsa" : "ed25519", base64) < 0)
			record = NULL;
	}
	free(base64);
	if (rsa)
		OPENSSL_free(bytes);
	return record;
}

static bool sign_rsa(EVP_PKEY *key, const unsigned char digest[CM_DKIM_HASH_SIZE],
		     unsigned char *bytes_r, size_t *length_r)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	bool good = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		    EVP_PKEY_sign(context, bytes_r, length_r, digest, CM_DKIM_HASH_SIZE) == 1;

	EVP_PKEY_CTX_free(context);
	return good;
}

/* RFC 8463 3: PureEdDSA over the SHA-256 digest. */
static bool sign_ed25519(EVP_PKEY *key, const unsigned char digest[CM_DKIM_HASH_SIZE],
			 unsigned char *bytes_r, size_t *length_r)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(context, bytes_r, length_r, digest, CM_DKIM_HASH_SIZE) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

bool cm_signing_key_sign(const struct cm_signing_key *key,
			 const unsigned char digest[CM_DKIM_HASH_SIZE], unsigned char *bytes_r,
			 size_t *length_r)
{
	bool good;

	*length_r = CM_DKIM_SIGNATURE_BYTES_MAX;
	good = key->algorithm == CM_DKIM_RSA_SHA256
		   ? sign_rsa(key->key, digest, bytes_r, length_r)
		   : sign_ed25519(key->key, digest, bytes_r, length_r);
	ERR_clear_error();
	return good;
}
