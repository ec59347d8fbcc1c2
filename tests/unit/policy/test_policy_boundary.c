/*
 * test_policy_boundary - a Content-Type in which other readers find another boundary
 */
#include "policy_fixture.h"

/* An incoming Content-Type in which other readers find another boundary, or none. */
#define TYPE_IS(rest) "multipart/encrypted; protocol=\"application/pgp-encrypted\"" rest

static void another_boundary_has_nothing_to_show(void **state)
{
	static const struct {
		const char *type, *boundary;
	} types[] = {
	    {TYPE_IS("; (; boundary=x;) boundary=abc"), "x"},
	    {TYPE_IS(" (; boundary=x;); boundary=abc"), "x"},
	    {TYPE_IS("; boundary=\"abc\" (c)"), "\"abc\" (c)"},
	    {TYPE_IS("; boundary=\"a\\bc\""), "a\\bc"},
	    {TYPE_IS("; x=\"; boundary=x; y=\"; boundary=\"abc\""), "x"},
	    {"multipart/encrypted; protocol=application/pgp-encrypted; boundary=\"abc\"", "x"},
	};
	static const struct {
		const char *old, *new;
		enum cm_reason reason;
	} carriers[] = {
	    {PART1, "--%s\nContent-Type: text/plain\n\nHello Bob\n--%s--\n" PART1,
	     CM_REASON_CLEARTEXT_IN_MIME},
	    {PART1, "Hello Bob\n" PART1, CM_REASON_CLEARTEXT_IN_MIME},
	    {DESC2, "Subject: Hello Bob\n", CM_REASON_CLEARTEXT_IN_MIME},
	    {BEGIN, BEGIN "Comment: Hello Bob\n", CM_REASON_ARMOR},
	    {LAST, "\n--abc-- \n", CM_REASON_MIME_STRUCTURE},
	    {LAST, LAST "Hello Bob\n", CM_REASON_CLEARTEXT_IN_MIME},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(types); i++) {
		char *base = test_replaced(usual, TYPE, types[i].type);

		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", base,
			    CM_REASON_ENCRYPTED, i);
		for (size_t k = 0; k < COUNT(carriers); k++) {
			char *with = test_replaced(base, carriers[k].old, carriers[k].new);
			char *one = strstr(with, "%s") != NULL
					? test_replaced(with, "%s", types[i].boundary)
					: strdup(with);
			char *text = strstr(one, "%s") != NULL
					 ? test_replaced(one, "%s", types[i].boundary)
					 : strdup(one);

			test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
				    carriers[k].reason, i * COUNT(carriers) + k);
			free(text);
			free(one);
			free(with);
		}
		free(base);
	}
	free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(another_boundary_has_nothing_to_show),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
