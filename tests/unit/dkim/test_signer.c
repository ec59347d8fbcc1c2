/*
 * test_signer - key files, the signature field, its verification by our own verifier, and lines
 * that Postfix breaks
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "dkim_message.h"
#include "line_limit.h"
#include "signer.h"

#define DOMAIN "relay.test"
#define NOW    ((time_t)1893456000)

struct world {
	char directory[64];
};

static int set_up(void **state)
{
	static struct world world;

	strcpy(world.directory, "/tmp/test_signer.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	*state = &world;
	return 0;
}

static void path_of(const struct world *world, const char *name, char path_r[256])
{
	snprintf(path_r, 256, "%s/%s.private", world->directory, name);
}

static int tear_down(void **state)
{
	const struct world *world = *state;
	char path[256];

	path_of(world, "s", path);
	unlink(path);
	path_of(world, "s" CM_SIGNING_ED25519_SUFFIX, path);
	unlink(path);
	return rmdir(world->directory);
}

static void write_text(const struct world *world, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_of(world, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void write_key(const struct world *world, const char *name, EVP_PKEY *key,
		      const char *password)
{
	char path[256];
	FILE *file;

	assert_non_null(key);
	path_of(world, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, key,
					      password == NULL ? NULL : EVP_aes_128_cbc(), NULL, 0,
					      NULL, (void *)password),
			 1);
	assert_int_equal(fclose(file), 0);
	EVP_PKEY_free(key);
}

static EVP_PKEY *rsa(size_t bits)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
}

static EVP_PKEY *ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static struct cm_signer *new_signer(const struct world *world)
{
	struct cm_error err = {""};
	struct cm_signer *signer = cm_signer_new(world->directory, "s", DOMAIN, &err);

	if (signer == NULL)
		fail_msg("%s", err.text);
	return signer;
}

static void expect_no_signer(const struct world *world, const char *why)
{
	struct cm_error err = {""};

	assert_null(cm_signer_new(world->directory, "s", DOMAIN, &err));
	assert_non_null(strstr(err.text, world->directory));
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: not %s", err.text, why);
}

/* --- a message, signed and verified ---------------------------------------------------------- */

struct field {
	const char *name, *value;
};

static const struct field fields[] = {
    {"From", " <alice@relay.test>"},
    {"To", " \"hidden-recipients\": ;"},
    {"Subject", " [...]"},
    {"Message-ID", " <1@localhost>"},
    {"To", " <bob@peer.test>"},
    {"Content-Type", " multipart/encrypted;\n protocol=\"application/pgp-encrypted\""},
    {NULL, NULL},
};

static const char body[] = "--b\r\n\r\nVersion: 1\r\n--b--\r\n\r\n\r\n";

static struct cm_signature *sign(const struct cm_signer *signer, const struct field *header,
				 const char *text, size_t length, size_t piece)
{
	struct cm_signature *signature = cm_signature_begin(signer);
	struct cm_error err = {""};

	assert_non_null(signature);
	for (; header->name != NULL; header++)
		cm_signature_header(signature, header->name, header->value);
	for (size_t i = 0; i < length; i += piece)
		cm_signature_body(signature, text + i, piece < length - i ? piece : length - i);
	if (!cm_signature_end(signature, NOW, &err))
		fail_msg("%s", err.text);
	return signature;
}

static bool verifies(const struct cm_signature *signature, size_t number,
		     const struct cm_signing_key *key, const struct field *header, const char *text,
		     size_t length)
{
	struct cm_dkim_message *message = cm_dkim_message_new();
	char *record = cm_signing_key_record(key);
	const char *why = "no candidate";
	bool valid;

	assert_non_null(message);
	assert_non_null(record);
	cm_dkim_message_field(message, "DKIM-Signature", cm_signature_value(signature, number));
	for (; header->name != NULL; header++)
		cm_dkim_message_field(message, header->name, header->value);
	cm_dkim_message_end_fields(message, DOMAIN, NOW);
	cm_dkim_message_body(message, text, length);
	cm_dkim_message_end_body(message);
	valid = cm_dkim_message_candidates(message) == 1 &&
		cm_dkim_message_body_matches(message, 0) &&
		cm_dkim_message_verify(message, 0, record, strlen(record), &why) ==
		    CM_DKIM_ANSWER_VALID;
	cm_dkim_message_free(&message);
	free(record);
	return valid;
}

static void test_two_keys(void **state)
{
	struct field changed[sizeof(fields) / sizeof(fields[0])];
	const struct world *world = *state;
	const struct cm_signing_keys *keys;
	struct cm_signature *signature;
	struct cm_signer *signer;

	write_key(world, "s", rsa(2048), NULL);
	write_key(world, "s" CM_SIGNING_ED25519_SUFFIX, ed25519(), NULL);
	signer = new_signer(world);
	keys = cm_signer_keys(signer);
	assert_int_equal(keys->count, 2);
	assert_string_equal(keys->key[0].selector, "s");
	assert_string_equal(keys->key[1].selector, "s-ed25519");
	signature = sign(signer, fields, body, strlen(body), 7);
	assert_int_equal(cm_signature_count(signature), 2);
	memcpy(changed, fields, sizeof(fields));
	changed[4].value = " <carol@peer.test>";
	for (size_t i = 0; i < 2; i++) {
		assert_true(verifies(signature, i, &keys->key[i], fields, body, strlen(body)));
		assert_false(verifies(signature, i, &keys->key[1 - i], fields, body, strlen(body)));
		assert_false(verifies(signature, i, &keys->key[i], changed, body, strlen(body)));
		assert_false(verifies(signature, i, &keys->key[i], fields, "x\r\n", 3));
	}
	cm_signature_free(&signature);
	cm_signer_free(&signer);
}

/* No field with a signed name can be added, whether or not the message has one. */
static void test_oversigned(void **state)
{
	static const char *const names[] = {"From",     "to",        "Subject",      "Date",
					    "Reply-To", "Autocrypt", "Content-Type", "List-Id"};
	struct field more[sizeof(fields) / sizeof(fields[0]) + 1] = {{NULL, NULL}};
	const struct world *world = *state;
	struct cm_signature *signature;
	struct cm_signer *signer;

	write_key(world, "s" CM_SIGNING_ED25519_SUFFIX, ed25519(), NULL);
	signer = new_signer(world);
	signature = sign(signer, fields, body, strlen(body), 1);
	memcpy(more + 1, fields, sizeof(fields));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		more[0] = (struct field){names[i], " x"};
		assert_false(verifies(signature, 0, &cm_signer_keys(signer)->key[0], more, body,
				      strlen(body)));
	}
	more[0] = (struct field){"Received", " from nowhere"};
	assert_true(
	    verifies(signature, 0, &cm_signer_keys(signer)->key[0], more, body, strlen(body)));
	cm_signature_free(&signature);
	cm_signer_free(&signer);
}

static void test_field_is_folded(void **state)
{
	const struct world *world = *state;
	struct cm_signature *signature;
	struct cm_signer *signer;
	const char *line;

	write_key(world, "s", rsa(4096), NULL);
	signer = new_signer(world);
	signature = sign(signer, fields, "", 0, 1);
	line = cm_signature_value(signature, 0);
	assert_int_equal(line[0], ' ');
	while (*line != '\0') {
		size_t length = strcspn(line, "\n");

		assert_in_range(length, 2, 78);
		assert_true(*line == ' ' || *line == '\t');
		line += length + (line[length] == '\n');
	}
	cm_signature_free(&signature);
	cm_signer_free(&signer);
}

static void test_large_header(void **state)
{
	const struct world *world = *state;
	struct cm_signature *signature;
	struct cm_signer *signer;
	struct cm_error err;

	write_key(world, "s", ed25519(), NULL);
	signer = new_signer(world);
	signature = cm_signature_begin(signer);
	assert_non_null(signature);
	for (size_t i = 0; i <= CM_DKIM_HEADER_FIELDS_MAX; i++)
		cm_signature_header(signature, "To", " x");
	assert_false(cm_signature_end(signature, NOW, &err));
	assert_string_equal(err.text, "cannot sign: the header is too large");
	assert_int_equal(cm_signature_count(signature), 0);
	cm_signature_free(&signature);
	cm_signer_free(&signer);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void test_bad_keys(void **state)
{
	const struct world *world = *state;

	expect_no_signer(world, "s.private: No such file");
	write_text(world, "s", "");
	expect_no_signer(world, "not a private key in PEM");
	write_text(world, "s", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	expect_no_signer(world, "not a private key in PEM");
	write_key(world, "s", rsa(1023), NULL);
	expect_no_signer(world, "an RSA key must have 1024 to 4096 bits");
	write_key(world, "s", EVP_EC_gen("P-256"), NULL);
	expect_no_signer(world, "neither an RSA key nor an Ed25519 key");
	write_key(world, "s", ed25519(), "secret");
	expect_no_signer(world, "without a password");
	write_key(world, "s", rsa(1024), NULL);
	write_text(world, "s" CM_SIGNING_ED25519_SUFFIX, "x");
	expect_no_signer(world, "s-ed25519.private: not a private key");
}

static void test_not_a_file(void **state)
{
	const struct world *world = *state;
	char path[256];

	path_of(world, "s", path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_no_signer(world, "s.private: Invalid argument");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_no_signer(world, "s.private: Invalid argument");
}

/* Both kinds of keys are in the locked heap, and are freed from it. */
static void test_secure_heap(void **state)
{
	const struct world *world = *state;
	struct cm_signer *signer, *shared;
	size_t before;

	write_key(world, "s", rsa(2048), NULL);
	write_key(world, "s" CM_SIGNING_ED25519_SUFFIX, ed25519(), NULL);
	signer = new_signer(world);
	cm_signer_free(&signer);
	if (!CRYPTO_secure_malloc_initialized())
		skip();
	before = CRYPTO_secure_used();
	signer = new_signer(world);
	assert_in_range(CRYPTO_secure_used() - before, 800, 8192);
	shared = cm_signer_share(signer);
	cm_signer_free(&signer);
	assert_true(CRYPTO_secure_used() > before);
	cm_signer_free(&shared);
	assert_int_equal(CRYPTO_secure_used(), before);
}

/* --- long lines ------------------------------------------------------------------------------ */

static void collect(void *context, const char *data, size_t length)
{
	strncat(context, data, length);
}

static void test_line_limit(void **state)
{
	static const struct {
		const char *text, *broken;
	} cases[] = {
	    {"", ""},
	    {"abcde\r\n", "abcde\r\n"},
	    {"abcdef\r\n", "abcde\r\n f\r\n"},
	    {"abcdefghi\r\nx", "abcde\r\n fghi\r\nx"},
	    {"abcdefghij\r\n", "abcde\r\n fghi\r\n j\r\n"},
	    {"abcdef\n", "abcde\r\n f\n"},
	    {"abcd\r\r\n", "abcd\r\r\n"},
	    {"abcde\r\r\n", "abcde\r\n \r\r\n"},
	    {"abcde\r", "abcde\r\n \r"},
	    {"\r\n\r\nabcdef", "\r\n\r\nabcde\r\n f"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].text);

		for (size_t piece = 1; piece <= length; piece++) {
			char broken[64] = "";
			struct cm_line_limit limit;

			cm_line_limit_init(&limit, 5, collect, broken);
			for (size_t at = 0; at < length; at += piece)
				cm_line_limit_add(&limit, cases[i].text + at,
						  piece < length - at ? piece : length - at);
			cm_line_limit_end(&limit);
			assert_string_equal(broken, cases[i].broken);
		}
	}
}

static void test_line_limit_field(void **state)
{
	static const struct {
		const char *value, *broken;
	} cases[] = {
	    {" a", " a"},
	    {" a\n bcd", " a\n bcd"},
	    {" abcdefg", " ab\r\n cdef\r\n g"},
	    {" ab\n cdefg\n h", " ab\n cdef\r\n g\n h"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *broken = cm_line_limit_field(5, 2, cases[i].value);

		assert_non_null(broken);
		assert_string_equal(broken, cases[i].broken);
		free(broken);
	}
}

/* The signed text is the text that leaves. */
static void test_long_lines(void **state)
{
	const struct world *world = *state;
	char subject[2500], text[5000], broken[5100] = "";
	struct field header[] = {{"From", " a"}, {"Subject", subject}, {NULL, NULL}};
	struct cm_line_limit limit;
	struct cm_signature *signature;
	struct cm_signer *signer;
	char *broken_subject;

	memset(subject, 'x', sizeof(subject));
	subject[sizeof(subject) - 1] = '\0';
	memset(text, '\xe4', sizeof(text));
	memcpy(text + sizeof(text) - 3, "\r\n", 3);
	write_key(world, "s", ed25519(), NULL);
	signer = new_signer(world);
	signature = sign(signer, header, text, strlen(text), 999);
	broken_subject = cm_line_limit_field(CM_SIGNER_LINE_MAX, strlen("Subject:"), subject);
	cm_line_limit_init(&limit, CM_SIGNER_LINE_MAX, collect, broken);
	cm_line_limit_add(&limit, text, strlen(text));
	header[1].value = broken_subject;
	assert_true(verifies(signature, 0, &cm_signer_keys(signer)->key[0], header, broken,
			     strlen(broken)));
	free(broken_subject);
	cm_signature_free(&signature);
	cm_signer_free(&signer);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FILES(test_two_keys),     WITH_FILES(test_oversigned),
	    WITH_FILES(test_large_header), WITH_FILES(test_field_is_folded),
	    WITH_FILES(test_bad_keys),     WITH_FILES(test_not_a_file),
	    WITH_FILES(test_secure_heap),  cmocka_unit_test(test_line_limit),
	    WITH_FILES(test_long_lines),   cmocka_unit_test(test_line_limit_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
