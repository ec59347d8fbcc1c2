/*
 * test_dkim_message - the signed message of RFC 8463 A.3, changed in every way; bounds; OpenSSL out
 * of memory at every step
 */
#include "support.h"

#include "dkim_message.h"

#include <openssl/crypto.h>

#define DOMAIN "football.example.com"
#define NOW    ((time_t)1528637909)

static const char ed25519_record[] =
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
static const char rsa_record[] =
    "v=DKIM1; k=rsa; "
    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bd"
    "OKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
    "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVY"
    "LzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

#define SIGNED_NAMES "h=from : to :\n subject : date : message-id : from : subject : date;\n"

struct field {
	const char *name;
	const char *value;
};

static const struct field fields[] = {
    {"DKIM-Signature", " v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
		       " d=football.example.com; i=@football.example.com;\n"
		       " q=dns/txt; s=brisbane; t=1528637909; " SIGNED_NAMES
		       " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
		       " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
		       " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="},
    {"DKIM-Signature", " v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
		       " d=football.example.com; i=@football.example.com;\n"
		       " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
		       " date : message-id : from : subject : date;\n"
		       " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
		       " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
		       " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
		       " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="},
    {"From", " Joe SixPack <joe@football.example.com>"},
    {"To", " Suzie Q <suzie@shopping.example.net>"},
    {"Subject", " Is dinner ready?"},
    {"Date", " Fri, 11 Jul 2003 21:00:37 -0700 (PDT)"},
    {"Message-ID", " <20030712040037.46341.5F8J@football.example.com>"},
    {NULL, NULL},
};

static const char body[] = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

static struct cm_dkim_message *take(const struct field *header, const char *domain,
				    const char *text)
{
	struct cm_dkim_message *message = cm_dkim_message_new();

	assert_non_null(message);
	for (; header->name != NULL; header++)
		cm_dkim_message_field(message, header->name, header->value);
	cm_dkim_message_end_fields(message, domain, NOW);
	cm_dkim_message_body(message, text, strlen(text));
	cm_dkim_message_end_body(message);
	assert_false(cm_dkim_message_failed(message));
	return message;
}

static enum cm_dkim_answer verify(const struct cm_dkim_message *message, size_t candidate,
				  const char *record, const char **why_r)
{
	return cm_dkim_message_verify(message, candidate, record, strlen(record), why_r);
}

static void test_example(void **state)
{
	struct cm_dkim_message *message = take(fields, "Football.Example.COM", body);
	const char *why = "";

	(void)state;
	assert_true(cm_dkim_message_is_signed(message));
	assert_int_equal(cm_dkim_message_candidates(message), 2);
	assert_string_equal(cm_dkim_message_key_name(message, 0), "brisbane._domainkey." DOMAIN);
	assert_string_equal(cm_dkim_message_key_name(message, 1), "test._domainkey." DOMAIN);
	for (size_t i = 0; i < 2; i++) {
		assert_true(cm_dkim_message_body_matches(message, i));
		assert_int_equal(verify(message, i, i == 0 ? ed25519_record : rsa_record, &why),
				 CM_DKIM_ANSWER_VALID);
		assert_null(why);
		/* the key of the other signature */
		assert_int_equal(verify(message, i, i == 1 ? ed25519_record : rsa_record, &why),
				 CM_DKIM_ANSWER_INVALID);
		assert_string_equal(why, "the key is for another algorithm");
	}
	cm_dkim_message_free(&message);
	assert_null(message);
}

/* Every byte of each signed field and of the body matters. */
static void test_changes(void **state)
{
	const size_t count = sizeof(fields) / sizeof(fields[0]);
	struct field changed[sizeof(fields) / sizeof(fields[0])];
	struct cm_dkim_message *message;
	const char *why;
	char value[1000];

	(void)state;
	for (size_t i = 2; i < count - 1; i++) {
		memcpy(changed, fields, sizeof(changed));
		snprintf(value, sizeof(value), "%s.", fields[i].value);
		changed[i].value = value;
		message = take(changed, DOMAIN, body);
		assert_int_equal(verify(message, 0, ed25519_record, &why), CM_DKIM_ANSWER_INVALID);
		assert_int_equal(verify(message, 1, rsa_record, &why), CM_DKIM_ANSWER_INVALID);
		assert_string_equal(why, "the signature is not of this header and key");
		cm_dkim_message_free(&message);
	}
	message = take(fields, DOMAIN, "Hi.\r\n");
	assert_false(cm_dkim_message_body_matches(message, 0));
	assert_false(cm_dkim_message_body_matches(message, 1));
	cm_dkim_message_free(&message);
}

static void assert_candidates(const struct field *header, size_t expected, const char *why)
{
	struct cm_dkim_message *message = take(header, DOMAIN, body);

	assert_int_equal(cm_dkim_message_candidates(message), expected);
	if (why != NULL)
		assert_string_equal(cm_dkim_message_why(message), why);
	cm_dkim_message_free(&message);
}

static void test_unsigned(void **state)
{
	struct cm_dkim_message *message = take(fields + 2, DOMAIN, body);

	(void)state;
	assert_false(cm_dkim_message_is_signed(message));
	assert_int_equal(cm_dkim_message_candidates(message), 0);
	cm_dkim_message_free(&message);
}

/* h= contains From twice: a message with three From fields is refused. */
static void test_every_from_is_signed(void **state)
{
	struct field header[] = {fields[0], fields[2], fields[2], fields[2], {NULL, NULL}};

	(void)state;
	assert_candidates(header, 0, "a From field is not signed");
	header[3].name = "From \t";
	assert_candidates(header, 0, "a From field is not signed");
	header[3].name = "fRoM";
	assert_candidates(header, 0, "a From field is not signed");
	header[3] = (struct field){"X-From", " somebody"};
	assert_candidates(header, 1, NULL);
}

static void test_other_domain(void **state)
{
	struct cm_dkim_message *message = take(fields, "example.com", body);

	(void)state;
	assert_true(cm_dkim_message_is_signed(message));
	assert_int_equal(cm_dkim_message_candidates(message), 0);
	assert_string_equal(cm_dkim_message_why(message), "d= is not the domain of From");
	cm_dkim_message_free(&message);
}

static void test_number_of_candidates(void **state)
{
	struct field header[30];

	(void)state;
	for (size_t i = 0; i < 29; i++)
		header[i] = i < 28 ? fields[i % 2] : fields[2];
	header[29] = (struct field){NULL, NULL};
	assert_candidates(header, CM_DKIM_SIGNATURES_MAX, NULL);
}

static void test_size_of_the_header(void **state)
{
	struct cm_dkim_message *message = cm_dkim_message_new();
	char *value = malloc(CM_DKIM_HEADER_BYTES_MAX + 1);

	(void)state;
	assert_non_null(message);
	assert_non_null(value);
	memset(value, 'x', CM_DKIM_HEADER_BYTES_MAX);
	value[CM_DKIM_HEADER_BYTES_MAX] = '\0';
	for (size_t i = 0; i < 2; i++)
		cm_dkim_message_field(message, fields[i].name, fields[i].value);
	cm_dkim_message_field(message, "X", value);
	cm_dkim_message_field(message, fields[2].name, fields[2].value);
	cm_dkim_message_end_fields(message, DOMAIN, NOW);
	cm_dkim_message_end_body(message);
	assert_false(cm_dkim_message_failed(message));
	assert_true(cm_dkim_message_is_signed(message));
	assert_int_equal(cm_dkim_message_candidates(message), 0);
	assert_string_equal(cm_dkim_message_why(message), "the header is too large");
	cm_dkim_message_free(&message);
	free(value);

	message = cm_dkim_message_new();
	for (size_t i = 0; i <= CM_DKIM_HEADER_FIELDS_MAX; i++)
		cm_dkim_message_field(message, fields[i % 3].name, fields[i % 3].value);
	cm_dkim_message_end_fields(message, DOMAIN, NOW);
	assert_int_equal(cm_dkim_message_candidates(message), 0);
	cm_dkim_message_free(&message);
}

/* OpenSSL's memory: after this many allocations one fails, or all do. Negative: none fails. */
static struct {
	long left;
	bool only_one;
	bool failed;
} ration = {.left = -1};

static bool is_granted(void)
{
	if (ration.left < 0 || ration.left-- > 0)
		return true;
	ration.failed = true;
	ration.left = ration.only_one ? -1 : 0;
	return false;
}

static void *rationed_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_granted() ? malloc(size) : NULL;
}

static void *rationed_realloc(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_granted() ? realloc(memory, size) : NULL;
}

static void rationed_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* The example with its valid RSA signature: a lack of memory must not make it invalid. */
static void verify_rationed(void)
{
	struct cm_dkim_message *message = cm_dkim_message_new();
	const char *why = NULL;

	assert_non_null(message);
	for (const struct field *field = &fields[1]; field->name != NULL; field++)
		cm_dkim_message_field(message, field->name, field->value);
	cm_dkim_message_end_fields(message, DOMAIN, NOW);
	cm_dkim_message_body(message, body, strlen(body));
	cm_dkim_message_end_body(message);
	if (!cm_dkim_message_failed(message)) {
		assert_int_equal(cm_dkim_message_candidates(message), 1);
		assert_true(cm_dkim_message_body_matches(message, 0));
		if (verify(message, 0, rsa_record, &why) == CM_DKIM_ANSWER_INVALID)
			fail_msg("%s", why);
	}
	cm_dkim_message_free(&message);
}

static void test_lack_of_memory_gives_no_verdict(void **state)
{
	(void)state;
	verify_rationed(); /* allocations that OpenSSL keeps after its first use */
	for (int only_one = 0; only_one < 2; only_one++) {
		long count = 0;

		do {
			ration.left = count++;
			ration.only_one = only_one != 0;
			ration.failed = false;
			verify_rationed();
			ration.left = -1;
		} while (ration.failed);
		assert_true(count > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_example),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_unsigned),
	    cmocka_unit_test(test_every_from_is_signed),
	    cmocka_unit_test(test_other_domain),
	    cmocka_unit_test(test_number_of_candidates),
	    cmocka_unit_test(test_size_of_the_header),
	    cmocka_unit_test(test_lack_of_memory_gives_no_verdict),
	};

	if (CRYPTO_set_mem_functions(rationed_malloc, rationed_realloc, rationed_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
