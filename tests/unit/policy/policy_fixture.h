/*
 * policy_fixture - a policy with its accounts, and messages for it
 *
 * The test programs of the policy share it; see test_policy_content.c, test_policy_armor.c and
 * test_policy_delivery.c.
 */
#ifndef TEST_POLICY_FIXTURE_H
#define TEST_POLICY_FIXTURE_H

#include "support.h"

#include "delivery.h"
#include "messages.h"
#include "policy.h"

#define ALICE "<alice@relay.test>"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum side {
	OUT = 1,
	IN = 2,
	BOTH = OUT | IN,
};

/* A change to the message: the first `old` becomes `new`; if old is NULL, new is the whole
   message. \2 stands for NUL. */
struct change {
	enum side side;
	enum cm_reason reason;
	const char *old, *new;
};

/* Pieces of test_usual_message(), to be replaced. */
#define TYPE "multipart/encrypted; protocol=\"application/pgp-encrypted\";\n\tboundary=\"abc\""
#define PART1                                                                                      \
	"--abc\nContent-Type: application/pgp-encrypted; charset=\"utf-8\"\nContent-Description: " \
	"PGP/MIME version identification\nContent-Transfer-Encoding: 7bit\n\nVersion: 1\n\n"
#define FROM_LINE "From: <alice@relay.test>\n"
#define TYPE1     "Content-Type: application/pgp-encrypted; charset=\"utf-8\"\n"
#define TYPE2                                                                                      \
	"Content-Type: application/octet-stream; name=\"encrypted.asc\";\n\tcharset=\"utf-8\"\n"
#define DESC1 "Content-Description: PGP/MIME version identification\n"
#define DESC2 "Content-Description: OpenPGP encrypted message\n"
#define DISP2 "Content-Disposition: inline; filename=\"encrypted.asc\";\n"
#define CTE2  DISP2 "Content-Transfer-Encoding: 7bit\n"
#define BEGIN "-----BEGIN PGP MESSAGE-----\n"
#define END   "-----END PGP MESSAGE-----\n"
#define LAST  "\n--abc--\n"

/* A request of the secure-join protocol. */
#define SECURE_JOIN                                                                                \
	"From: <alice@relay.test>\n"                                                               \
	"Message-ID: <ed3e-a@localhost>\n"                                                         \
	"Secure-Join: vc-request\n"                                                                \
	"MIME-Version: 1.0\n"                                                                      \
	"Content-Type: multipart/mixed; boundary=\"abc\"\n"                                        \
	"\n"                                                                                       \
	"--abc\n"                                                                                  \
	"Content-Type: text/plain; charset=\"utf-8\"; format=flowed; delsp=no\n"                   \
	"Content-Transfer-Encoding: 7bit\n"                                                        \
	"\n"                                                                                       \
	"secure-join: vc-request\n"                                                                \
	"--abc--\n"

struct fixture {
	char *directory;
	struct cm_config *config;
	struct cm_policy *policy;
};

/* For cmocka: *state is a fixture. bob accepts cleartext, carol refuses it. */
int test_policy_setup(void **state);
int test_policy_teardown(void **state);

/* A message of Delta Chat, in the form of test_wire(); the caller frees it. */
char *test_usual_message(void);

/* Creates a mailbox with this password file; NULL: without one. */
void test_make_mailbox(const struct fixture *fixture, const char *address, const char *password);

/* Passes the data; fails the test if memory ran out. */
void test_give(struct test_delivery *delivery, const char *data, size_t length);

/* The verdict on a message that comes in pieces of this size, with a valid signature. */
struct cm_verdict test_judge_bytes(struct cm_policy *policy, enum cm_direction direction,
				   const char *from, const char *to, const char *data,
				   size_t length, size_t piece);
/* The same, in pieces of Postfix's size, from alice or, incoming, a mailing list. */
struct cm_verdict test_judge(struct cm_policy *policy, enum cm_direction direction, const char *to,
			     const char *text);

/* The reason for the verdict on a message to one to three recipients, which must be accepted, in
   small pieces. */
enum cm_reason test_reason(struct cm_policy *policy, enum cm_direction direction, const char *from,
			   const char *const to[3], const char *text, enum cm_dkim_status dkim);

/* Checks the message in CRLF and in LF form and in several piece sizes, which must make no
   difference; fails the test with the number if the verdict differs. */
void test_expect(struct cm_policy *policy, enum cm_direction direction, const char *to,
		 const char *text, enum cm_reason reason, size_t number);

/* test_expect() for each change to the base. */
void test_check_table(struct fixture *fixture, const char *base, const struct change *table,
		      size_t count);

#endif
