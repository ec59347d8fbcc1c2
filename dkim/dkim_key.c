#include "dkim_key.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define DKIM_RSA_BITS_MIN 1024 /* RFC 8301 3.2 */
#define DKIM_RSA_BITS_MAX 8192

/* The longest accepted record: an RSA key of 8192 bits and some notes. */
#define DKIM_RECORD_MAX 4096

#define ED25519_KEY_SIZE       32
#define ED25519_SIGNATURE_SIZE 64

/* Checks the uses that the record allows for the key. NULL if they include the signature. */
static const char *check_use(const struct cm_tag_list *list,
			     const struct cm_dkim_signature *signature)
{
	const struct cm_tag *version = cm_tag_list_find(list, "v");
	const struct cm_tag *type = cm_tag_list_find(list, "k");
	const struct cm_tag *hashes = cm_tag_list_find(list, "h");
	const struct cm_tag *services = cm_tag_list_find(list, "s");
	const struct cm_tag *flags = cm_tag_list_find(list, "t");
	const char *wanted = signature->algorithm == CM_DKIM_RSA_SHA256 ? "rsa" : "ed25519";

	if (version != NULL && (version != &list->tag[0] || !cm_tag_is(version, "DKIM1")))
		return "the key record's v= is not DKIM1, or not first";
	if (type == NULL ? signature->algorithm != CM_DKIM_RSA_SHA256 : !cm_tag_is(type, wanted))
		return "the key is for another algorithm";
	if (hashes != NULL && !cm_tag_has_word(hashes, "sha256"))
		return "the key is not for sha256";
	if (services != NULL && !cm_tag_has_word(services, "*") &&
	    !cm_tag_has_word(services, "email"))
		return "the key is not for mail";
	if (flags != NULL && cm_tag_has_word(flags, "s") && !signature->identity_is_domain)
		return "the key is not for subdomains";
	return NULL;
}

/* Enters a DER value of this universal tag; it must fill the rest exactly. */
static bool enter(const unsigned char **position, size_t *length, int wanted)
{
	long inner;
	int tag, class;

	if ((ASN1_get_object(position, &inner, &tag, &class, (long)*length) &
	     ~V_ASN1_CONSTRUCTED) != 0 ||
	    tag != wanted || class != V_ASN1_UNIVERSAL)
		return false;
	*length = (size_t)inner;
	return true;
}

/* Unwraps the RSAPublicKey in a SubjectPublicKeyInfo of the usual form: d2i_PUBKEY() does the
   same, but takes five times as long as the verification. */
static bool unwrap_rsa(const unsigned char **bytes, size_t *length)
{
	/* SEQUENCE { OBJECT rsaEncryption, NULL } */
	static const unsigned char algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
						  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
	const unsigned char *position = *bytes, *end = *bytes + *length;
	size_t rest = *length;

	if (!enter(&position, &rest, V_ASN1_SEQUENCE) || position + rest != end ||
	    rest < sizeof(algorithm) || memcmp(position, algorithm, sizeof(algorithm)) != 0)
		return false;
	position += sizeof(algorithm);
	rest -= sizeof(algorithm);
	if (!enter(&position, &rest, V_ASN1_BIT_STRING) || position + rest != end || rest == 0 ||
	    *position != 0)
		return false;
	*bytes = position + 1;
	*length = rest - 1;
	return true;
}

/* RFC 6376 says RSAPublicKey, but records contain SubjectPublicKeyInfo (its erratum 3758). */
static EVP_PKEY *read_rsa(const unsigned char *bytes, size_t length)
{
	const unsigned char *position;
	EVP_PKEY *key;

	(void)unwrap_rsa(&bytes, &length);
	position = bytes;
	key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &position, (long)length);
	if (key == NULL) {
		position = bytes;
		key = d2i_PUBKEY(NULL, &position, (long)length);
	}
	if (key != NULL && position == bytes + length && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static EVP_PKEY *read_key(const struct cm_tag_list *list, enum cm_dkim_algorithm algorithm,
			  const char **why_r)
{
	const struct cm_tag *tag = cm_tag_list_find(list, "p");
	unsigned char bytes[DKIM_RECORD_MAX];
	EVP_PKEY *key = NULL;
	size_t length;

	*why_r = "the key record has no usable key";
	if (tag == NULL)
		return NULL;
	if (tag->value_length == 0) {
		*why_r = "the key is revoked";
		return NULL;
	}
	if (!cm_tag_base64(tag, bytes, sizeof(bytes), &length))
		return NULL;
	if (algorithm == CM_DKIM_ED25519_SHA256)
		return length != ED25519_KEY_SIZE
			   ? NULL
			   : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, length);
	key = read_rsa(bytes, length);
	if (key != NULL && EVP_PKEY_get_bits(key) >= DKIM_RSA_BITS_MIN &&
	    EVP_PKEY_get_bits(key) <= DKIM_RSA_BITS_MAX)
		return key;
	if (key != NULL)
		*why_r = "the RSA key has too few or too many bits";
	EVP_PKEY_free(key);
	return NULL;
}

static enum cm_dkim_answer verify_rsa(EVP_PKEY *key, const struct cm_dkim_signature *signature,
				      const unsigned char digest[CM_DKIM_HASH_SIZE])
{
	enum cm_dkim_answer answer = CM_DKIM_ANSWER_TROUBLE;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);

	if (context == NULL || EVP_PKEY_verify_init(context) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1)
		goto out;
	answer = EVP_PKEY_verify(context, signature->bytes, signature->bytes_length, digest,
				 CM_DKIM_HASH_SIZE) == 1
		     ? CM_DKIM_ANSWER_VALID
		     : CM_DKIM_ANSWER_INVALID;
out:
	EVP_PKEY_CTX_free(context);
	return answer;
}

/* RFC 8463 3: PureEdDSA over the SHA-256 digest. */
static enum cm_dkim_answer verify_ed25519(EVP_PKEY *key, const struct cm_dkim_signature *signature,
					  const unsigned char digest[CM_DKIM_HASH_SIZE])
{
	enum cm_dkim_answer answer = CM_DKIM_ANSWER_TROUBLE;
	EVP_MD_CTX *context;

	if (signature->bytes_length != ED25519_SIGNATURE_SIZE)
		return CM_DKIM_ANSWER_INVALID;
	context = EVP_MD_CTX_new();
	if (context == NULL || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1)
		goto out;
	answer = EVP_DigestVerify(context, signature->bytes, signature->bytes_length, digest,
				  CM_DKIM_HASH_SIZE) == 1
		     ? CM_DKIM_ANSWER_VALID
		     : CM_DKIM_ANSWER_INVALID;
out:
	EVP_MD_CTX_free(context);
	return answer;
}

/* Takes this thread's errors from OpenSSL. True if memory ran out: OpenSSL's result is then
   the same as for a wrong key or signature. (Its Ed25519 code leaves no error.) */
static bool openssl_lacked_memory(void)
{
	bool lacked = false;
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		lacked = lacked || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return lacked;
}

enum cm_dkim_answer cm_dkim_key_verify(const char *record, size_t length,
				       const struct cm_dkim_signature *signature,
				       const unsigned char digest[CM_DKIM_HASH_SIZE],
				       const char **why_r)
{
	enum cm_dkim_answer answer = CM_DKIM_ANSWER_INVALID;
	struct cm_tag_list list;
	EVP_PKEY *key;

	if (length > DKIM_RECORD_MAX || !cm_tag_list_parse(record, length, &list)) {
		*why_r = "the key record is malformed";
		return answer;
	}
	*why_r = check_use(&list, signature);
	if (*why_r != NULL)
		return answer;
	ERR_clear_error();
	key = read_key(&list, signature->algorithm, why_r);
	if (key != NULL) {
		*why_r = "the signature is not of this header and key";
		answer = signature->algorithm == CM_DKIM_RSA_SHA256
			     ? verify_rsa(key, signature, digest)
			     : verify_ed25519(key, signature, digest);
		EVP_PKEY_free(key);
	}
	if (openssl_lacked_memory() && answer == CM_DKIM_ANSWER_INVALID)
		answer = CM_DKIM_ANSWER_TROUBLE;
	if (answer == CM_DKIM_ANSWER_VALID)
		*why_r = NULL;
	else if (answer == CM_DKIM_ANSWER_TROUBLE)
		*why_r = "OpenSSL cannot verify now";
	return answer;
}
