/*
 * test_policy - which messages pass and which do not, each for its reason
 *
 * The table starts from the message that Delta Chat sends and changes one thing at a time. Every
 * case is judged in CRLF and in LF form and in several chunk sizes, because where the pieces end
 * must not matter.
 */
#include "support.h"

#include "delivery.h"
#include "messages.h"
#include "policy.h"
#include "replies.h"

#include <pthread.h>

#define ALICE "<alice@relay.test>"

enum side {
	OUT = 1,
	IN = 2,
	BOTH = OUT | IN,
};

/* What is changed: the first `old` becomes `new`; old NULL: new is the whole message. \2 stands for
   NUL. */
struct change {
	enum side side;
	enum cm_reason reason;
	const char *old, *new;
};

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

static const struct change accepted[] = {
    {BOTH, CM_REASON_ENCRYPTED, "", ""},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "From: alice@relay.test\n"},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "From: Alice <alice@relay.test>\n"},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "From: \"Alice, (A.) <x>\" <alice@relay.test>\n"},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "From: =?utf-8?q?Al=C3=AFce?= <Alice@Relay.Test>\n"},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "From:\n <alice@relay.test>\n"},
    {BOTH, CM_REASON_ENCRYPTED, FROM_LINE, "FROM: alice@relay.test\n"},
    {IN, CM_REASON_ENCRYPTED, FROM_LINE, "From: alice@relay.test (Alice)\n"},
    {IN, CM_REASON_ENCRYPTED, FROM_LINE,
     "From: Al\xc3\xaf"
     "ce <alice@relay.test>\n"},
    {IN, CM_REASON_ENCRYPTED, FROM_LINE, "From: bob@peer.test\n"},
    {IN, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: a\n \n b\n"},
    {IN, CM_REASON_ENCRYPTED, "Subject: [...]\n", "X-Own: a\033\2\x7f\n\tb\n"},
    {BOTH, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: \n a\n b\n"},
    {IN, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: a\nSubject: b\n"},
    {IN, CM_REASON_ENCRYPTED, "To: \"hidden-recipients\": ;\n", "To: a@b.test\nTo: c@b.test\n"},
    {BOTH, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: =?utf-8?b?w6Q=?=\n"},
    {OUT, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: \xc3\xa4\n"},
    /* MIME-Version */
    {IN, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n", ""},
    {IN, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n", "Mime-Version: 1.0 (Mail Framework v1)\n"},
    {IN, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n",
     "Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3776.700.51.11.1\\))\n"},
    {BOTH, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n", "mime-version:  1.0 \n"},
    {BOTH, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n"},
    {BOTH, CM_REASON_ENCRYPTED, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n"},
    /* the message's Content-Type */
    {BOTH, CM_REASON_ENCRYPTED, TYPE,
     "multipart/encrypted; boundary=\"abc\"; protocol=\"application/pgp-encrypted\""},
    {BOTH, CM_REASON_ENCRYPTED, TYPE,
     "Multipart/Encrypted ; PROTOCOL = \"Application/PGP-encrypted\" ;Boundary=abc"},
    {BOTH, CM_REASON_ENCRYPTED, TYPE,
     "multipart/encrypted; protocol=\"application/pgp-encrypted\";\n boundary=abc;\n "
     "charset=utf-8"},
    {IN, CM_REASON_ENCRYPTED, TYPE,
     "multipart/encrypted (really); protocol=\"application/pgp-encrypted\"; boundary=\"a\\bc\""},
    {IN, CM_REASON_ENCRYPTED, TYPE,
     "multipart/encrypted;; protocol=\"application/pgp-encrypted\"; boundary=\"abc\";"},
    /* preamble, epilogue, white space */
    {BOTH, CM_REASON_ENCRYPTED, PART1, "\n" PART1},
    {IN, CM_REASON_ENCRYPTED, PART1, "This is an OpenPGP/MIME encrypted message\n" PART1},
    {IN, CM_REASON_ENCRYPTED, PART1, "-- \ndashes\n--a\n-----\n\n" PART1},
    {BOTH, CM_REASON_ENCRYPTED, LAST, "\n--abc--"},
    {BOTH, CM_REASON_ENCRYPTED, LAST, "--abc--\n"},
    {BOTH, CM_REASON_ENCRYPTED, LAST, "\n--abc--\n\n\n"},
    {IN, CM_REASON_ENCRYPTED, LAST, "\n--abc-- \t\n \t\n"},
    {IN, CM_REASON_ENCRYPTED, PART1 "--abc\n", PART1 "--abc  \n"},
    /* part headers */
    {BOTH, CM_REASON_ENCRYPTED, TYPE1 DESC1 "Content-Transfer-Encoding: 7bit\n",
     "Content-Type: application/pgp-encrypted\n"},
    {BOTH, CM_REASON_ENCRYPTED, TYPE2 DESC2 CTE2, "Content-Type: application/octet-stream\n"},
    {BOTH, CM_REASON_ENCRYPTED, DESC2,
     "Content-Description: This is a digitally encrypted message part\n"},
    {BOTH, CM_REASON_ENCRYPTED, DISP2, "Content-Disposition: attachment; filename=msg.asc\n"},
    {BOTH, CM_REASON_ENCRYPTED, TYPE2,
     "Content-Type: APPLICATION/Octet-Stream; name=\"msg.asc\"\n"},
    {BOTH, CM_REASON_ENCRYPTED, CTE2, DISP2 "Content-Transfer-Encoding: 8bit\n"},
    {BOTH, CM_REASON_ENCRYPTED, CTE2, DISP2 "Content-Transfer-Encoding: 7BIT\n"},
    {IN, CM_REASON_ENCRYPTED, DESC2, "Content-Description: my own words\nX-Anything: at all\n"},
    {IN, CM_REASON_ENCRYPTED, DISP2, "Content-Disposition: inline; filename*=utf-8''%C3%A4.asc\n"},
    {IN, CM_REASON_ENCRYPTED, TYPE2,
     "Content-Type: application/octet-stream; name=\"Brief an Bob\"\n"},
    {IN, CM_REASON_ENCRYPTED, TYPE2, "Content-Type: application/octet-stream (x)\n"},
    {IN, CM_REASON_ENCRYPTED, TYPE2,
     "Content-Type: application/octet-stream; charset=iso-8859-1\n"},
    /* the version part */
    {BOTH, CM_REASON_ENCRYPTED, "Version: 1\n\n", "Version: 1\n"},
    {BOTH, CM_REASON_ENCRYPTED, "Version: 1\n\n", "\nVersion: 1\n\n\n"},
    {IN, CM_REASON_ENCRYPTED, "Version: 1\n\n", "Version: 1 \n\n"},
    {BOTH, CM_REASON_ENCRYPTED, DESC1 "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: base64\n\nVmVyc2lvbjogMQo=\n"},
    {BOTH, CM_REASON_ENCRYPTED, DESC1 "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: quoted-printable\n\nVer=\nsion=3A 1\n"},
    {IN, CM_REASON_ENCRYPTED, DESC1 "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: quoted-printable\n\nVersion=3a 1\n"},
    /* armor */
    {BOTH, CM_REASON_ENCRYPTED, BEGIN, "\n\n" BEGIN},
    {BOTH, CM_REASON_ENCRYPTED, END, END "\n\n"},
    {IN, CM_REASON_ENCRYPTED, BEGIN,
     BEGIN "Version: GopenPGP 2.7.4\nComment: https://gopenpgp.org\n"},
    {IN, CM_REASON_ENCRYPTED, BEGIN, BEGIN "Version: \nCharset:\nHash: SHA512\nX-Own: 1\n"},
    {IN, CM_REASON_ENCRYPTED, BEGIN "\n", "-----BEGIN PGP MESSAGE----- \t\n \t\n"},
    {IN, CM_REASON_ENCRYPTED, END, "-----END PGP MESSAGE----- \n  \n"},
};

#define SECURE_JOIN                                                                                \
	"From: <alice@relay.test>\n"                                                               \
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

static const struct change secure_join_accepted[] = {
    {BOTH, CM_REASON_SECURE_JOIN, "", ""},
    {BOTH, CM_REASON_SECURE_JOIN, "\nsecure-join: vc-request\n",
     "\n\n \tSECURE-join: VC-Request \n\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Content-Transfer-Encoding: 7bit\n\nsecure-join: vc-request\n",
     "Content-Transfer-Encoding: quoted-printable\n\nsecure-join: vc=\n-request\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Content-Transfer-Encoding: 7bit\n\nsecure-join: vc-request\n",
     "Content-Transfer-Encoding: base64\n\nc2VjdXJlLWpvaW46IHZjLXJlcXVlc3Q=\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "Secure-Join: vc-request\n", "secure-join:  VC-REQUEST\n"},
    {BOTH, CM_REASON_SECURE_JOIN, "; format=flowed; delsp=no\n", "\n"},
    {IN, CM_REASON_SECURE_JOIN, "\n--abc\n", "\nThis is a multipart message.\n--abc\n"},
    {IN, CM_REASON_SECURE_JOIN, "delsp=no\n", "delsp=no\nContent-Language: de\n"},
};

static const struct change secure_join_refused[] = {
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", ""},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", "Secure-Join: vc-auth-required\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Secure-Join: vc-request\n", "Secure-Join: vg-request\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Secure-Join: vc-request\n",
     "Secure-Join: vc-request\nSecure-Join: vg-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request please\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join: vc-auth\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join:vc-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nHello Bob\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request\nmore\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n",
     "\nsecure-join: vc-request\nsecure-join: vc-request\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "\nsecure-join: vc-request\n", "\nsecure-join: vc-request\2\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain", "text/html"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain", "application/octet-stream"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain; ", "multipart/mixed; "},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "text/plain; ", "message/rfc822; "},
    {BOTH, CM_REASON_NOT_ENCRYPTED,
     "Content-Type: text/plain; charset=\"utf-8\"; format=flowed; delsp=no\n", ""},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/mixed", "multipart/alternative"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Content-Type: multipart/mixed; boundary=\"abc\"\n",
     "Content-Type: text/plain\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "utf-8", "utf-7"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "utf-8", "utf-16le"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n",
     "--abc\nContent-Type: text/plain\n\nsecond\n--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "--abc--\n", ""},
    {BOTH, CM_REASON_CLEARTEXT_IN_MIME, "--abc--\n", "--abc--\nHello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "\n--abc\n", "\nHello Bob\n--abc\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no\n", "delsp=no\nX-Text: Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "delsp=no", "title=hello"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, "format=flowed", "format=hello"},
};

static const struct change refused[] = {
    /* From */
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, ""},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, FROM_LINE FROM_LINE},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, FROM_LINE "from: mallory@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, FROM_LINE "From : mallory@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From:\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: @relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test, bob@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test,\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <alice@relay.test>, <bob@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <alice@relay.test> <bob@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test bob@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: bob@relay.test <alice@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <alice@relay.test> Alice\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: users: alice@relay.test;\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: users: ;\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <@peer.test:alice@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: \"alice\"@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <alice@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: <<alice@relay.test>>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: < alice@relay.test >\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice @relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test.\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: \"Alice <alice@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: Alice: <alice@relay.test>\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: =?utf-8?q?alice=40relay.test?=\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: a@b@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test (unclosed\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: ((((((((((x)))))))))) alice@relay.test\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test\rX: y\n"},
    {BOTH, CM_REASON_FROM_HEADER, FROM_LINE, "From: (<bob@relay.test>, ) alice@relay.test\n"},
    {OUT, CM_REASON_FROM_HEADER, FROM_LINE, "From: alice@relay.test (Alice)\n"},
    {OUT, CM_REASON_FROM_HEADER, FROM_LINE, "From: (mallory@relay.test) alice@relay.test\n"},
    {OUT, CM_REASON_FROM_HEADER, FROM_LINE,
     "From: Al\xc3\xaf"
     "ce <alice@relay.test>\n"},
    {OUT, CM_REASON_FROM_MISMATCH, FROM_LINE, "From: <bob@relay.test>\n"},
    {OUT, CM_REASON_FROM_MISMATCH, FROM_LINE, "From: <alice@peer.test>\n"},
    {OUT, CM_REASON_FROM_MISMATCH, FROM_LINE, "From: \"alice@relay.test\" <bob@relay.test>\n"},
    /* the message's type */
    {BOTH, CM_REASON_NOT_ENCRYPTED, NULL, FROM_LINE "Subject: hi\n\nHello Bob\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, NULL,
     FROM_LINE "MIME-Version: 1.0\nContent-Type: text/plain\n\nHello Bob\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, NULL,
     FROM_LINE "MIME-Version: 1.0\nContent-Type: text/html\n\n<p>Hello Bob\n"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, NULL,
     FROM_LINE "MIME-Version: 1.0\nContent-Type: application/octet-stream\n\n" BEGIN "\n" END},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted", "multipart/mixed"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted", "multipart/signed"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted", "multipart/alternative"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted", "multipart/encrypted-not"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted", "message/rfc822"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "multipart/encrypted",
     "multipart/report; report-type=disposition-notification"},
    {BOTH, CM_REASON_NOT_ENCRYPTED, "Content-Type: " TYPE "\n", ""},
    {OUT, CM_REASON_NOT_ENCRYPTED, "Content-Type: " TYPE,
     "Auto-Submitted: auto-replied\nContent-Type: multipart/report; boundary=abc"},
    /* ambiguous headers */
    {BOTH, CM_REASON_AMBIGUOUS_HEADER,
     "Content-Type: ", "Content-Type: text/plain\nContent-Type: "},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Content-Type: " TYPE,
     "Content-Type: " TYPE "\nContent-Type: text/plain"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Content-Type: " TYPE,
     "Content-Type: " TYPE "\nContent-Type: " TYPE},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Content-Type: ", "Content-Type : "},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nMIME-Version: 1.0\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n", "MIME-Version: 2.0\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n", "MIME-Version: 1.0.1\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n", "MIME-Version:\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n", ""},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n", "MIME-Version: 1.0 (really)\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "MIME-Version: 1.0\n",
     "MIME-Version: 1.0\nContent-Transfer-Encoding: binary\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Subject: a\nSubject: b\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "To: a@b.test\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Message-ID: <x@localhost>\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Sender: a@b.test\nSender: c@b.test\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n",
     "Reply-To: a@b.test\nReply-To: c@b.test\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Date: now\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Subject: a\rb\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Subject: a\2b\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "Subject: a\033b\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "X-Own : a\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "X-Own: a\n \n b\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "X-Own: a\n\t \n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Subject: [...]\n", "X-Own: a\rContent-Type: text/plain\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "Date: Sat", "Date: Sat\rContent-Type: text/plain\n \r"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE, TYPE "\2"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE, TYPE "\rx"},
    /* tricks in Content-Type */
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted;", "multipart/encrypted"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart/"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "/encrypted"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart / encrypted"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart/encrypted/mixed"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "=?us-ascii?q?multipart/encrypted?="},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "\"multipart/encrypted\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "text/plain, multipart/encrypted"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart/(x)encrypted"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart/encrypted (x)"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "(text/plain) multipart/encrypted"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "multipart/encrypted", "multipart/encrypted;"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; boundary=\"def\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; BOUNDARY=\"abc\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary*=us-ascii''abc"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary*0=\"a\"; boundary*1=\"bc\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"",
     "boundary=\"abc\"; boundary*=us-ascii''def"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; protocol=\"x/y\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"",
     "boundary=\"abc\"; protocol*=us-ascii''x"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\" x"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"def"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary="},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=abc=def"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "=abc"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"a\n bc\""},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "protocol=\"application/pgp-encrypted\"",
     "protocol=application/pgp-encrypted"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"",
     "boundary=\"abc\"; a=1; b=1; c=1; d=1; e=1; f=1; g=1; h=1"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"a\\bc\""},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; name*=utf-8''x"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; x=\"=?utf-8?q?y?=\""},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, "boundary=\"abc\"", "boundary=\"abc\"; x=\"\xc3\xa4\""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"", "boundary=\"\""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"", "boundary=\"abc \""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"", "boundary=\"a*bc\""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"",
     "boundary=\"0123456789012345678901234567890123456789012345678901234567890123456789x\""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"", "name=\"abc\""},
    {OUT, CM_REASON_MIME_STRUCTURE, "boundary=\"abc\"", "boundary=\"a bc\""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "protocol=\"application/pgp-encrypted\";", ""},
    {BOTH, CM_REASON_MIME_STRUCTURE, "application/pgp-encrypted", "application/pkcs7-mime"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "application/pgp-encrypted", "application/pgp-signature"},
    /* structure */
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n--abc\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n--abc-\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n--abcd--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n--abc--x\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, "\n--abc --\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST, LAST "--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST,
     LAST "--abc\nContent-Type: text/plain\n\nHello Bob\n--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, LAST,
     "\n--abc\nContent-Type: text/plain\n\nHello Bob\n--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, PART1, ""},
    {BOTH, CM_REASON_MIME_STRUCTURE, PART1, "--abc--\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, PART1, "--abcd\n" PART1},
    {BOTH, CM_REASON_MIME_STRUCTURE, PART1, "--abc\nContent-Type: text/plain\n\nHello Bob\n" PART1},
    {BOTH, CM_REASON_MIME_STRUCTURE, PART1, PART1 PART1},
    {BOTH, CM_REASON_MIME_STRUCTURE, "\n--abc\nContent-Type: application/octet-stream",
     "\n--abc--\n--abc\nContent-Type: application/octet-stream"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE1, ""},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE1, "Content-Type: text/plain\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE1, "Content-Type: application/octet-stream\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE2, ""},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE2, "Content-Type: text/plain\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE2, "Content-Type: application/pgp-encrypted\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE2, "Content-Type: message/rfc822\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, TYPE2, "Content-Type: text/html; charset=\"utf-8\"\n"},
    {IN, CM_REASON_MIME_STRUCTURE, TYPE2, "Content-Type: multipart/mixed; boundary=x\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 2\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1.0\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "version: 1\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1\nHello Bob\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Hello Bob\nVersion: 1\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1\nVersion: 1\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1\2\n"},
    {OUT, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1 \n"},
    {OUT, CM_REASON_MIME_STRUCTURE, "Version: 1\n", "Version: 1\n\t\t \n"},
    {OUT, CM_REASON_MIME_STRUCTURE, LAST, "\n--abc-- \n"},
    {OUT, CM_REASON_MIME_STRUCTURE, PART1 "--abc\n", PART1 "--abc \n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, DISP2, DISP2 "--abc\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, CTE2, DISP2 "Content-Transfer-Encoding: base64\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, CTE2 "\n",
     DISP2 "Content-Transfer-Encoding: base64\n\n!!!!\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, CTE2 "\n",
     DISP2 "Content-Transfer-Encoding: quoted-printable\n\n=XY\n"},
    {OUT, CM_REASON_MIME_STRUCTURE, CTE2 "\n",
     DISP2 "Content-Transfer-Encoding: quoted-printable\n\n=2d=2D\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, CTE2 "\n",
     DISP2 "Content-Transfer-Encoding: quoted-printable\n\n=2D=\2\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: base64\n\nVmVyc2lvbjogMQ\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: base64\n\nVmVyc2lvbjogMQ==\nSGVsbG8=\n"},
    {BOTH, CM_REASON_MIME_STRUCTURE, "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n\n",
     "Content-Transfer-Encoding: quoted-printable\n\nVersion: 1=\n"},
    {OUT, CM_REASON_MIME_STRUCTURE, "Content-Transfer-Encoding: 7bit\n\nVersion: 1\n",
     "Content-Transfer-Encoding: quoted-printable\n\nVersion: 1 \n"},
    /* part headers */
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE1, TYPE1 TYPE1},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE2, TYPE2 "Content-Type: text/plain\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, CTE2 "Content-Transfer-Encoding: base64\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding: binary\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding: x-uuencode\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding: 7bit base64\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding: 7bit; x=y\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding:\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, CTE2, DISP2 "Content-Transfer-Encoding: (base64) 7bit\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DISP2, DISP2 DISP2},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DESC2, DESC2 DESC2},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DESC2, "Hello Bob\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DESC2, "Hello Bob: how are you\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DESC2, ": how are you\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, DESC2, "Content-Description : x\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE1, " folded from nothing\n" TYPE1},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE1, TYPE1 "  \n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE2, "Content-Type: application/octet-stream\2\n"},
    {BOTH, CM_REASON_AMBIGUOUS_HEADER, TYPE2, "Content-Type: application/octet-stream\r; a=b\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, TYPE2,
     "Content-Type: application/octet-stream; charset=utf-16\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, TYPE2,
     "Content-Type: application/octet-stream (Hello Bob)\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, DISP2,
     "Content-Disposition: inline; filename*=utf-8''msg.asc\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, TYPE2,
     "Content-Type: application/octet-stream; name=\"Hello Bob\"\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, TYPE2,
     "Content-Type: application/octet-stream; hello=bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, TYPE1,
     "Content-Type: application/pgp-encrypted; x=\"Hello Bob\"\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DESC1, "Content-Description: Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DESC2,
     "Content-Description: OpenPGP encrypted message. Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2,
     "Content-Disposition: inline; filename=\"Hello Bob\"\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "Content-Disposition: hello-bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "X-Text: Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "Subject: Hello Bob\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "Content-ID: <hello-bob>\n"},
    /* around the parts */
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, PART1, "Hello Bob\n" PART1},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, PART1, " \n" PART1},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, PART1,
     "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n" PART1},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, PART1, "--\n" PART1},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, PART1, "\2\n" PART1},
    {BOTH, CM_REASON_CLEARTEXT_IN_MIME, LAST, LAST "Hello Bob\n"},
    {BOTH, CM_REASON_CLEARTEXT_IN_MIME, LAST, LAST "\n\nHello Bob"},
    {BOTH, CM_REASON_CLEARTEXT_IN_MIME, LAST, LAST "--\nfooter of a list\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, LAST, LAST " \t \n"},
    {IN, CM_REASON_MIME_STRUCTURE, PART1, "\2\n" PART1},
    {IN, CM_REASON_MIME_STRUCTURE, PART1, "a\rb\n" PART1},
    /* armor */
    {BOTH, CM_REASON_ARMOR, BEGIN, "Hello Bob\n" BEGIN},
    {BOTH, CM_REASON_ARMOR, BEGIN, "Hello Bob " BEGIN},
    {BOTH, CM_REASON_ARMOR, BEGIN, ""},
    {BOTH, CM_REASON_ARMOR, BEGIN, "----BEGIN PGP MESSAGE----\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, "-----BEGIN PGP MESSAGE----- Hello Bob\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, "-----begin pgp message-----\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, "-----BEGIN PGP SIGNED MESSAGE-----\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, "-----BEGIN PGP MESSAGE, PART 1/2-----\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN "\n", BEGIN},
    {BOTH, CM_REASON_ARMOR, BEGIN, BEGIN "no colon\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN "\n", BEGIN "\n\n"},
    {BOTH, CM_REASON_ARMOR, BEGIN, BEGIN BEGIN},
    {BOTH, CM_REASON_ARMOR, END, ""},
    {BOTH, CM_REASON_ARMOR, END, "-----END PGP SIGNATURE-----\n"},
    {BOTH, CM_REASON_ARMOR, END, "-----END PGP MESSAGE----\n"},
    {BOTH, CM_REASON_ARMOR, END, END "Hello Bob\n"},
    {BOTH, CM_REASON_ARMOR, END, END BEGIN "\n" END},
    {BOTH, CM_REASON_ARMOR, END, "\n" END},
    {BOTH, CM_REASON_ARMOR, END, "Hello Bob\n" END},
    {BOTH, CM_REASON_ARMOR, END, "=AAAA\n" END},
    {OUT, CM_REASON_ARMOR, BEGIN, BEGIN "Version: GopenPGP 2.7.4\n"},
    {OUT, CM_REASON_ARMOR, BEGIN, BEGIN "Comment: Hello Bob\n"},
    {OUT, CM_REASON_ARMOR, BEGIN, "-----BEGIN PGP MESSAGE----- \n"},
    {OUT, CM_REASON_ARMOR, BEGIN, " \n" BEGIN},
    {OUT, CM_REASON_ARMOR, BEGIN "\n", BEGIN " \n"},
    {OUT, CM_REASON_ARMOR, END, END "  \n"},
    {IN, CM_REASON_ARMOR, BEGIN, BEGIN "Comment:Hello Bob\n"},
    {IN, CM_REASON_ARMOR, BEGIN, BEGIN "Hello Bob: x\n"},
    {IN, CM_REASON_ARMOR, BEGIN, BEGIN ": x\n"},
    {IN, CM_REASON_ARMOR, BEGIN, BEGIN "Comment: a\2b\n"},
    {IN, CM_REASON_ARMOR, BEGIN,
     BEGIN "A: 1\nA: 2\nA: 3\nA: 4\nA: 5\nA: 6\nA: 7\nA: 8\nA: 9\nA: 10\nA: 11\nA: 12\nA: 13\nA: "
	   "14\nA: 15\nA: 16\nA: 17\n"},
};

struct fixture {
	char *directory;
	struct cm_config *config;
	struct cm_policy *policy;
};

/* bob takes cleartext, carol does not. */
static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	void *directory = NULL;
	static const char *const parts[] = {"mail", "mail/bob@relay.test", "mail/carol@relay.test"};

	if (fixture == NULL || test_directory_setup(&directory) != 0)
		return -1;
	fixture->directory = directory;
	for (size_t i = 0; i < 3; i++) {
		char *path = test_path(directory, parts[i]);

		assert_int_equal(mkdir(path, 0700), 0);
		free(path);
	}
	test_write_text(directory, "mail/carol@relay.test/enforceE2EEincoming", "");
	fixture->config = test_config(fixture->directory, "max_user_send_per_minute = 1000000\n"
							  "max_user_send_burst_size = 1000000\n");
	fixture->policy = cm_policy_new(fixture->config, NULL);
	*state = fixture;
	return fixture->policy != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	void *directory = fixture->directory;

	cm_policy_free(&fixture->policy);
	cm_config_free(&fixture->config);
	free(fixture);
	return test_directory_teardown(&directory);
}

static void give(struct test_delivery *delivery, const char *data, size_t length)
{
	assert_int_not_equal(test_deliver(delivery, data, length), CM_FEED_NO_MEMORY);
}

static struct cm_verdict judge_bytes(struct cm_policy *policy, enum cm_direction direction,
				     const char *from, const char *to, const char *data,
				     size_t length, size_t piece)
{
	struct test_delivery delivery = {.message = cm_message_begin(policy, direction, from),
					 .piece = piece};
	struct cm_verdict verdict;

	assert_non_null(delivery.message);
	if (cm_message_recipient(delivery.message, to))
		give(&delivery, data, length);
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	cm_message_free(&delivery.message);
	return verdict;
}

static struct cm_verdict judge(struct cm_policy *policy, enum cm_direction direction,
			       const char *to, const char *text)
{
	size_t length;
	char *wire = test_wire(text, &length);
	const char *from = direction == CM_DIRECTION_OUT ? ALICE : "<list-bounces@peer.test>";
	struct cm_verdict verdict =
	    judge_bytes(policy, direction, from, to, wire, length, CM_FEED_CHUNK);

	free(wire);
	return verdict;
}

/* The message in the form that files have, with LF; \2 becomes NUL here too. */
static char *plain(const char *text, size_t *length_r)
{
	char *out = strdup(text);

	assert_non_null(out);
	*length_r = strlen(out);
	for (char *c = out; *c != '\0'; c++)
		*c = (char)(*c == '\2' ? '\0' : *c);
	return out;
}

static void expect(struct cm_policy *policy, enum cm_direction direction, const char *to,
		   const char *text, enum cm_reason reason, size_t number)
{
	static const size_t pieces[] = {CM_FEED_CHUNK, 1, 7};

	for (size_t i = 0; i < 2 * sizeof pieces / sizeof pieces[0]; i++) {
		size_t length;
		char *data = i % 2 == 0 ? test_wire(text, &length) : plain(text, &length);
		const char *from = direction == CM_DIRECTION_OUT ? ALICE : "<bounces@peer.test>";
		struct cm_verdict verdict =
		    judge_bytes(policy, direction, from, to, data, length, pieces[i / 2]);

		if (verdict.reason != reason)
			fail_msg("case %zu, %s, %s, pieces of %zu: %s (%s), not %s\n%s", number,
				 direction == CM_DIRECTION_OUT ? "out" : "in",
				 i % 2 == 0 ? "CRLF" : "LF", pieces[i / 2],
				 cm_reason_name(verdict.reason),
				 verdict.why != NULL ? verdict.why : "-", cm_reason_name(reason),
				 text);
		assert_int_equal(verdict.code >= 200 && verdict.code < 300,
				 cm_reason_accepts(reason));
		free(data);
	}
}

static bool is_about_content(enum cm_reason reason)
{
	return reason != CM_REASON_FROM_HEADER && reason != CM_REASON_FROM_MISMATCH;
}

static void check_table(struct fixture *fixture, const char *base, const struct change *table,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct change *change = &table[i];
		char *text = change->old != NULL ? test_replaced(base, change->old, change->new)
						 : strdup(change->new);

		if (change->side & OUT)
			expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
			       change->reason, i);
		if (change->side & IN) {
			bool tolerated =
			    !cm_reason_accepts(change->reason) && is_about_content(change->reason);

			expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			       change->reason, i);
			expect(fixture->policy, CM_DIRECTION_IN, "<bob@relay.test>", text,
			       tolerated ? CM_REASON_CLEARTEXT_ALLOWED : change->reason, i);
		}
		free(text);
	}
}

static char *usual_message(void)
{
	size_t length;
	unsigned char *payload = test_payload(300, &length);
	char *armor = test_armored(payload, length, &test_armor_usual);
	char *text = test_encrypted_message(armor);

	free(armor);
	free(payload);
	return text;
}

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static void encrypted_messages_pass(void **state)
{
	char *base = usual_message();

	check_table(*state, base, accepted, COUNT(accepted));
	free(base);
}

static void what_is_not_encrypted_does_not_pass(void **state)
{
	char *base = usual_message();

	assert_true(COUNT(refused) + COUNT(secure_join_refused) >= 150);
	check_table(*state, base, refused, COUNT(refused));
	free(base);
}

static void secure_join_requests_pass(void **state)
{
	check_table(*state, SECURE_JOIN, secure_join_accepted, COUNT(secure_join_accepted));
}

static void other_text_is_no_secure_join_request(void **state)
{
	check_table(*state, SECURE_JOIN, secure_join_refused, COUNT(secure_join_refused));
}

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
	};
	struct fixture *fixture = *state;
	char *usual = usual_message();

	for (size_t i = 0; i < COUNT(types); i++) {
		char *base = test_replaced(usual, TYPE, types[i].type);

		expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", base,
		       CM_REASON_ENCRYPTED, i);
		for (size_t k = 0; k < COUNT(carriers); k++) {
			char *with = test_replaced(base, carriers[k].old, carriers[k].new);
			char *one = strstr(with, "%s") != NULL
					? test_replaced(with, "%s", types[i].boundary)
					: strdup(with);
			char *text = strstr(one, "%s") != NULL
					 ? test_replaced(one, "%s", types[i].boundary)
					 : strdup(one);

			expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			       carriers[k].reason, i * COUNT(carriers) + k);
			free(text);
			free(one);
			free(with);
		}
		free(base);
	}
	free(usual);
}

static char *message_of(size_t payload_length, const struct test_armor *how)
{
	size_t length;
	unsigned char *payload = test_payload(payload_length, &length);
	char *armor = test_armored(payload, length, how);
	char *text = test_encrypted_message(armor);

	free(armor);
	free(payload);
	return text;
}

/* With and without checksum and padding, each remainder of three, each usual width and odd ones. */
static void all_forms_of_armor_pass(void **state)
{
	static const unsigned int widths[] = {60, 61, 62, 63, 64, 72, 75, 76};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(widths); i++) {
		for (unsigned int form = 0; form < 12; form++) {
			struct test_armor how = {
			    .headers = "",
			    .columns = widths[i],
			    .checksum = form & 1,
			    .padding = form & 2,
			};
			char *text = message_of(300 + form / 4, &how);

			expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
			       CM_REASON_ENCRYPTED, form);
			expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			       CM_REASON_ENCRYPTED, form);
			free(text);
		}
	}
}

static void long_armor_lines_come_only_from_elsewhere(void **state)
{
	struct fixture *fixture = *state;
	struct test_armor how = {"", 77, true, true};

	for (size_t i = 0; i < 2; i++) {
		char *text = message_of(3000, &how);

		expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text, CM_REASON_ARMOR,
		       i);
		expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
		       CM_REASON_ENCRYPTED, i);
		free(text);
		how.columns = 998;
	}
}

/* Base64 and quoted-printable around the armor, from the same message. */
static void transfer_encodings_are_decoded(void **state)
{
	struct fixture *fixture = *state;
	char *text = usual_message();
	char *quoted =
	    test_replaced(text, CTE2, DISP2 "Content-Transfer-Encoding: quoted-printable\n");
	char *begin = strstr(quoted, BEGIN);
	char *end = strstr(quoted, LAST);
	size_t length;
	char *wrapped, *base64, *whole = NULL;
	const char *data;

	/* '=' of padding and checksum must be escaped: write every '=' of the armor so. */
	assert_true(begin != NULL && end != NULL);
	wrapped = calloc(3, (size_t)(end - begin) + 1);
	for (char *c = begin, *out = wrapped; c < end; c++)
		out = stpcpy(out, *c == '=' ? "=3D" : (const char[]){*c, '\0'});
	assert_true(asprintf(&whole, "%.*s%s%s", (int)(begin - quoted), quoted, wrapped, end) > 0);
	expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", whole, CM_REASON_ENCRYPTED, 0);
	expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", whole, CM_REASON_ENCRYPTED,
	       0);
	free(whole);
	free(quoted);

	/* The armor as base64: what test_armored() makes of it, without its own frame. */
	begin = strstr(text, BEGIN);
	end = strstr(text, LAST);
	length = (size_t)(end - begin);
	base64 = test_armored((const unsigned char *)begin, length,
			      &(const struct test_armor){"", 76, false, true});
	data = base64 + strlen(BEGIN "\n");
	*strstr(base64, END) = '\0';
	quoted = test_replaced(text, CTE2, DISP2 "Content-Transfer-Encoding: base64\n");
	begin = strstr(quoted, BEGIN);
	end = strstr(quoted, LAST);
	assert_true(asprintf(&whole, "%.*s%s%s", (int)(begin - quoted), quoted, data, end) > 0);
	expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", whole, CM_REASON_ENCRYPTED, 1);
	expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", whole, CM_REASON_ENCRYPTED,
	       1);
	free(whole);
	free(quoted);
	free(base64);
	free(wrapped);
	free(text);
}

/* Any one character of the armor's base64 changed: the checksum, the alphabet or the packets say
 * so. */
static void a_changed_armor_does_not_pass(void **state)
{
	struct fixture *fixture = *state;
	char *text = usual_message();
	char *from = strstr(text, BEGIN "\n") + strlen(BEGIN "\n");
	char *to = strstr(text, END);

	for (char *c = from; c < to; c++) {
		static const char others[] = {'A', 'B', '=', '-', ' ', '\n', '!', '\2', '\r'};
		char right = *c;

		for (size_t i = 0; i < sizeof others; i++) {
			struct cm_verdict verdict;

			if (others[i] == right)
				continue;
			*c = others[i];
			verdict = judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text);
			/* A line break within the base64 changes nothing that is decoded. */
			if (cm_reason_accepts(verdict.reason))
				fail_msg("byte %zu as %d: %s", (size_t)(c - from), others[i],
					 cm_reason_name(verdict.reason));
		}
		*c = right;
	}
	free(text);
}

static void a_message_cut_short_does_not_pass(void **state)
{
	struct fixture *fixture = *state;
	char *text = usual_message();
	size_t whole = (size_t)(strstr(text, LAST) - text) + strlen("\n--abc--");

	for (size_t length = 0; length < whole; length++) {
		struct cm_verdict verdict =
		    judge_bytes(fixture->policy, CM_DIRECTION_OUT, ALICE, "<bob@peer.test>", text,
				length, CM_FEED_CHUNK);

		if (cm_reason_accepts(verdict.reason))
			fail_msg("%zu of %zu bytes: %s", length, whole,
				 cm_reason_name(verdict.reason));
	}
	free(text);
}

/* Packets, put into a message: one of each kind, the others are in test_packets. */
static void armored_packets_are_judged(void **state)
{
	static const struct {
		unsigned char bytes[4];
		enum cm_reason reason;
	} cases[] = {
	    {{0xd2, 0x40, 1, 0}, CM_REASON_ENCRYPTED}, {{0xd2, 0x40, 2, 0}, CM_REASON_ENCRYPTED},
	    {{0xd2, 0x40, 3, 0}, CM_REASON_PACKETS},   {{0xd2, 0x3f, 1, 0}, CM_REASON_PACKETS},
	    {{0xd2, 0x41, 1, 0}, CM_REASON_PACKETS},   {{0xc9, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xcb, 0x40, 'b', 0}, CM_REASON_PACKETS}, {{0xc8, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xc1, 0x40, 3, 0}, CM_REASON_PACKETS},   {{0xd4, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xd5, 0x40, 1, 0}, CM_REASON_PACKETS},   {{0xca, 0x40, 'P', 0}, CM_REASON_PACKETS},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char data[66] = {0};
		char *armor, *text;

		memcpy(data, cases[i].bytes, 4);
		armor = test_armored(data, sizeof data, &test_armor_usual);
		text = test_encrypted_message(armor);
		expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text, cases[i].reason,
		       i);
		expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
		       cases[i].reason, i);
		free(text);
		free(armor);
	}
}

/* `text` with `count` copies of `line` before `before`. */
static char *multiplied(const char *text, const char *before, const char *line, size_t count)
{
	char *lines = calloc(count, strlen(line) + 1);
	char *with, *out, *at;

	assert_non_null(lines);
	at = lines;
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, line);
	assert_true(asprintf(&with, "%s%s", lines, before) >= 0);
	out = test_replaced(text, before, with);
	free(with);
	free(lines);
	return out;
}

static char *long_line(const char *start, size_t length)
{
	char *line = malloc(strlen(start) + length + 2);

	assert_non_null(line);
	strcpy(line, start);
	memset(line + strlen(start), 'a', length);
	strcpy(line + strlen(start) + length, "\n");
	return line;
}

static void bounds_are_kept(void **state)
{
	struct fixture *fixture = *state;
	char *base = usual_message();
	char *header = long_line("X-Own: ", 800), *body = long_line("", 999);
	char *fields = long_line("X-Own: ", 700), *type = long_line("Content-Type: a/b; c=", 5000);
	const struct {
		const char *before, *line;
		size_t count;
		enum cm_reason out, in;
	} cases[] = {
	    {"Subject: ", "X-Own: 1\n", 400, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	    {"Subject: ", "X-Own: 1\n", 500, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"Subject: ", header, 150, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	    {"Subject: ", header, 200, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"MIME-Version: ", type, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"Content-Description: O", "X-A: 1\n", 15, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_ENCRYPTED},
	    {"Content-Description: O", "X-A: 1\n", 30, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_MIME_BOUNDS},
	    {"Content-Description: O", fields, 12, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_MIME_BOUNDS},
	    {"Content-Transfer-Encoding: 7bit\n\nV", " a\n", 1000, CM_REASON_MIME_BOUNDS,
	     CM_REASON_MIME_BOUNDS},
	    {"Version: 1\n\n", body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {BEGIN, body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {PART1, body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {PART1, "text\n", 100000, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_ENCRYPTED},
	    {PART1, "-text\n", 20000, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_MIME_BOUNDS},
	    {PART1, "\n", 100000, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = multiplied(base, cases[i].before, cases[i].line, cases[i].count);
		struct cm_verdict out =
		    judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text);
		struct cm_verdict in =
		    judge(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text);

		if (out.reason != cases[i].out || in.reason != cases[i].in)
			fail_msg("case %zu: out %s, in %s", i, cm_reason_name(out.reason),
				 cm_reason_name(in.reason));
		free(text);
	}
	free(type);
	free(fields);
	free(body);
	free(header);
	free(base);
}

/* Headers that condemn a message do so before its body comes. */
static void hopeless_messages_end_with_their_headers(void **state)
{
	static const char *const headers[] = {
	    FROM_LINE "Subject: hi\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: text/plain\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n",
	    FROM_LINE "MIME-Version: 1.0\nContent-Type: multipart/encrypted; boundary=a\n\n",
	    FROM_LINE FROM_LINE "\n",
	    "Subject: hi\n\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(headers); i++) {
		for (int direction = 0; direction < 2; direction++) {
			struct test_delivery delivery = {.piece = 1, .headers_done = false};
			struct cm_verdict verdict;

			delivery.message =
			    cm_message_begin(fixture->policy, (enum cm_direction)direction, ALICE);
			assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
			give(&delivery, headers[i], strlen(headers[i]));
			assert_false(delivery.headers_done);
			cm_message_verdict(delivery.message, &verdict);
			assert_true(verdict.code == 523 || verdict.code == 500);
			cm_message_free(&delivery.message);
		}
	}
}

static void replies_have_upstreams_words(void **state)
{
	struct fixture *fixture = *state;
	char *text = usual_message();
	struct cm_verdict verdict;

	verdict = judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>",
			FROM_LINE "Subject: hi\n\nHello Bob\n");
	assert_int_equal(verdict.code, 523);
	assert_string_equal(verdict.enhanced, "");
	assert_string_equal(verdict.text, "Encryption Needed: Invalid Unencrypted Mail");

	verdict = judge_bytes(fixture->policy, CM_DIRECTION_OUT, "<mallory@relay.test>",
			      "<bob@peer.test>", text, strlen(text), 100);
	assert_int_equal(verdict.code, 500);
	assert_string_equal(verdict.text,
			    "Invalid FROM <alice@relay.test> for <mallory@relay.test>");

	verdict = judge(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", "Subject: hi\n\n");
	assert_int_equal(verdict.code, 500);
	assert_string_equal(verdict.text, "Invalid FROM header");
	free(text);
}

/* MAIL FROM is judged before anything else is known. */
static void envelope_senders_are_judged_at_once(void **state)
{
	static const struct {
		const char *path;
		const char *text; /* NULL: no verdict yet */
	} outgoing[] = {
	    {"<alice@relay.test>", NULL},
	    {"alice@relay.test", NULL},
	    {"<Alice@Relay.test>", NULL},
	    {"<alice@[192.0.2.1]>", NULL},
	    {"<>", "Invalid from address <>"},
	    {"", "Invalid from address <>"},
	    {"<alice>", "Invalid from address <alice>"},
	    {"<a b@relay.test>", "Invalid from address <a?b@relay.test>"},
	    {"<\"a\"@relay.test>", "Invalid from address <\"a\"@relay.test>"},
	    {"<@x:a@relay.test>", "Invalid from address <@x:a@relay.test>"},
	    {"<a/b@relay.test>", "Invalid from address <a/b@relay.test>"},
	    {"<a%b\r\nc>", "Invalid from address <a%b??c>"},
	};
	struct fixture *fixture = *state;
	struct cm_message *message;
	struct cm_verdict verdict;
	char huge[4096];

	for (size_t i = 0; i < COUNT(outgoing); i++) {
		message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, outgoing[i].path);
		cm_message_verdict(message, &verdict);
		if (outgoing[i].text != NULL) {
			assert_int_equal(verdict.code, 500);
			assert_int_equal(verdict.reason, CM_REASON_ENVELOPE_FROM);
			assert_string_equal(verdict.text, outgoing[i].text);
			assert_false(cm_message_recipient(message, "<bob@peer.test>"));
			assert_false(cm_message_header(message, "From", "alice@relay.test"));
			assert_false(cm_message_end_of_headers(message));
			assert_false(cm_message_body(message, "x", 1));
		} else {
			assert_int_equal(verdict.code, 0);
		}
		cm_message_free(&message);
	}
	memset(huge, 'a', sizeof huge);
	huge[sizeof huge - 1] = '\0';
	message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, huge);
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.code, 500);
	assert_int_equal(strlen(verdict.text), strlen("Invalid from address <>") + 254);
	cm_message_free(&message);
}

static void incoming_senders_may_be_null_or_odd(void **state)
{
	static const char *const paths[] = {"<>", "", "<\"a b\"@peer.test>", "<postmaster>"};
	struct fixture *fixture = *state;
	char *text = usual_message();

	for (size_t i = 0; i < COUNT(paths); i++) {
		struct cm_verdict verdict =
		    judge_bytes(fixture->policy, CM_DIRECTION_IN, paths[i], "<carol@relay.test>",
				text, strlen(text), 1000);

		assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
	}
	free(text);
}

static void one_recipient_that_refuses_cleartext_is_enough(void **state)
{
	static const struct {
		const char *recipient[3];
		enum cm_reason reason;
	} cases[] = {
	    {{"<bob@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<BOB@Relay.Test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<nobody@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<bob+tag@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<carol+tag@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol+@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<Carol+a+b@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    /* what the mail server makes carol@relay.test of */
	    {{"<carol>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<\"carol\"@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<@relay.test:carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test.>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol%relay.test@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<relay.test!carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<postmaster>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<+@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<Carol@RELAY.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob@relay.test>", "<carol@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<carol@relay.test>", "<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {{"<bob@relay.test>", "<nobody@relay.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	    {{"<carol@peer.test>"}, CM_REASON_CLEARTEXT_ALLOWED},
	};
	static const char text[] = FROM_LINE "Subject: hi\n\nHello Bob\n";
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_delivery delivery = {.piece = 100};
		struct cm_verdict verdict;

		delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_IN, "<>");
		for (size_t k = 0; k < 3 && cases[i].recipient[k] != NULL; k++)
			assert_true(cm_message_recipient(delivery.message, cases[i].recipient[k]));
		give(&delivery, text, strlen(text));
		cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
		assert_int_equal(verdict.reason, cases[i].reason);
		cm_message_free(&delivery.message);
	}
}

/* What cannot be looked up is our trouble, never an accept. */
static void a_mailbox_that_cannot_be_read_is_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct cm_verdict verdict;

	test_write_text(fixture->directory, "mail/file@relay.test", "");
	verdict = judge(fixture->policy, CM_DIRECTION_IN, "<file@relay.test>",
			FROM_LINE "Subject: hi\n\nHello Bob\n");
	assert_int_equal(verdict.reason, CM_REASON_INTERNAL);
	assert_int_equal(verdict.code, 451);
	assert_string_equal(verdict.enhanced, "4.3.0");
}

static void incoming_mail_needs_a_signature(void **state)
{
	static const struct {
		enum cm_dkim_status dkim;
		enum cm_reason reason;
		int code;
		const char *enhanced, *text;
	} cases[] = {
	    {CM_DKIM_VALID, CM_REASON_ENCRYPTED, 250, "2.0.0", "Ok"},
	    {CM_DKIM_NONE, CM_REASON_NO_DKIM, 554, "5.7.1", "No DKIM signature found"},
	    {CM_DKIM_INVALID, CM_REASON_INVALID_DKIM, 554, "5.7.1",
	     "No valid DKIM signature found"},
	    {CM_DKIM_TEMPORARY, CM_REASON_DKIM_TEMPORARY, 451, "4.7.5",
	     "DKIM signature cannot be checked now, try again later"},
	};
	struct fixture *fixture = *state;
	char *usual = usual_message();
	char *literal = test_replaced(usual, FROM_LINE, "From: alice@[192.0.2.1]\n");

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_delivery delivery = {.piece = 100};
		struct cm_verdict verdict;

		delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_IN, "<>");
		assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
		give(&delivery, usual, strlen(usual));
		assert_string_equal(cm_message_from_domain(delivery.message), "relay.test");
		assert_true(cm_message_needs_dkim(delivery.message));
		cm_message_end(delivery.message, cases[i].dkim, &verdict);
		assert_int_equal(verdict.reason, cases[i].reason);
		assert_int_equal(verdict.code, cases[i].code);
		assert_string_equal(verdict.enhanced, cases[i].enhanced);
		assert_string_equal(verdict.text, cases[i].text);
		cm_message_free(&delivery.message);

		/* An address literal has no domain to ask; an outgoing message has no need. */
		for (int direction = 0; direction < 2; direction++) {
			delivery.message = cm_message_begin(
			    fixture->policy, (enum cm_direction)direction, "<alice@[192.0.2.1]>");
			assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
			give(&delivery, literal, strlen(literal));
			assert_false(cm_message_needs_dkim(delivery.message));
			cm_message_end(delivery.message, cases[i].dkim, &verdict);
			assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
			cm_message_free(&delivery.message);
		}
	}
	free(literal);
	free(usual);
}

/* A relay without a name has no key; its users' addresses are theirs all the same. */
static void nobody_else_sends_from_our_own_literal(void **state)
{
	static const struct {
		const char *from;
		enum cm_reason reason;
	} cases[] = {
	    {"From: alice@[192.0.2.1]\n", CM_REASON_NO_DKIM},
	    {"From: alice@[192.0.2.2]\n", CM_REASON_ENCRYPTED},
	};
	struct fixture *fixture = *state;
	char *path = test_path(fixture->directory, "literal.ini");
	char *usual = usual_message(), *ini;
	struct cm_config *config;
	struct cm_policy *policy;

	assert_true(asprintf(&ini, "[params]\nmail_domain = 192.0.2.1\nmailboxes_dir = %s\n",
			     fixture->config->mailboxes_dir) > 0);
	test_write_text(fixture->directory, "literal.ini", ini);
	free(ini);
	config = cm_config_load(path, NULL, NULL, NULL);
	assert_non_null(config);
	policy = cm_policy_new(config, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = test_replaced(usual, FROM_LINE, cases[i].from);
		struct test_delivery delivery = {.piece = 100};
		struct cm_verdict verdict;

		delivery.message = cm_message_begin(policy, CM_DIRECTION_IN, "<>");
		assert_true(cm_message_recipient(delivery.message, "<carol@[192.0.2.1]>"));
		give(&delivery, text, strlen(text));
		cm_message_end(delivery.message, CM_DKIM_NONE, &verdict);
		assert_int_equal(verdict.reason, cases[i].reason);
		cm_message_free(&delivery.message);
		free(text);
	}
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(usual);
	free(path);
}

#define BOUNCE                                                                                     \
	"From: MAILER-DAEMON@peer.test (Mail Delivery System)\n"                                   \
	"Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"                                        \
	"Content-Type: multipart/report; report-type=delivery-status; boundary=\"x\"\n\n--x\n"

static const struct change bounces[] = {
    {IN, CM_REASON_BOUNCE, "", ""},
    {IN, CM_REASON_BOUNCE, "MAILER-DAEMON@peer.test (Mail Delivery System)",
     "\"Mail Delivery System\" <Mailer-Daemon@peer.test>"},
    {IN, CM_REASON_BOUNCE, "auto-replied", "auto-generated (failure)"},
    {IN, CM_REASON_NOT_ENCRYPTED, "Auto-Submitted: auto-replied\n", ""},
    {IN, CM_REASON_NOT_ENCRYPTED, "auto-replied", "no"},
    {IN, CM_REASON_NOT_ENCRYPTED, "auto-replied", ""},
    {IN, CM_REASON_NOT_ENCRYPTED, "MAILER-DAEMON", "postmaster"},
    {IN, CM_REASON_NOT_ENCRYPTED, "MAILER-DAEMON", "mailer-daemonx"},
    {IN, CM_REASON_NOT_ENCRYPTED, "MAILER-DAEMON", "mailer-daemo"},
    {IN, CM_REASON_NOT_ENCRYPTED, "MAILER-DAEMON@peer.test (", "\"mailer-daemon\" <x@peer.test> ("},
    {IN, CM_REASON_NOT_ENCRYPTED, "multipart/report", "text/plain"},
    {IN, CM_REASON_AMBIGUOUS_HEADER, "Content-Type:", "Content-Type: text/plain\nContent-Type:"},
    {OUT, CM_REASON_NOT_ENCRYPTED, "MAILER-DAEMON@peer.test (Mail Delivery System)",
     "alice@relay.test"},
};

static void bounces_pass_inwards(void **state)
{
	check_table(*state, BOUNCE, bounces, COUNT(bounces));
}

#define SETUP                                                                                      \
	"From: alice@relay.test\nSubject: Autocrypt Setup Message\nMIME-Version: 1.0\n"            \
	"Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\nHello\n--x--\n"

static void setup_messages_go_to_oneself(void **state)
{
	static const struct {
		const char *old, *new;
		const char *recipient[3];
		enum cm_reason reason;
	} cases[] = {
	    {"", "", {ALICE}, CM_REASON_SETUP_MESSAGE},
	    {"", "", {"<Alice@RELAY.test>"}, CM_REASON_SETUP_MESSAGE},
	    {"", "", {"<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {ALICE, "<bob@relay.test>"}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {"<bob@relay.test>", ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"", "", {ALICE, ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"Setup Message", "Setup", {ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"multipart/mixed", "text/plain", {ALICE}, CM_REASON_NOT_ENCRYPTED},
	    {"alice@relay.test", "bob@relay.test", {ALICE}, CM_REASON_FROM_MISMATCH},
	    {"boundary=", "boundary=a; boundary=", {ALICE}, CM_REASON_AMBIGUOUS_HEADER},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_delivery delivery = {.piece = 100};
		struct cm_verdict verdict;
		char *text = test_replaced(SETUP, cases[i].old, cases[i].new);

		delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
		for (size_t k = 0; k < 3 && cases[i].recipient[k] != NULL; k++)
			assert_true(cm_message_recipient(delivery.message, cases[i].recipient[k]));
		give(&delivery, text, strlen(text));
		cm_message_end(delivery.message, CM_DKIM_NONE, &verdict);
		assert_int_equal(verdict.reason, cases[i].reason);
		cm_message_free(&delivery.message);
		free(text);
	}
}

static void only_so_many_recipients(void **state)
{
	struct fixture *fixture = *state;
	struct cm_message *message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	struct cm_verdict verdict;

	for (unsigned int i = 0; i < fixture->config->max_recipients; i++)
		assert_true(cm_message_recipient(message, "<bob@peer.test>"));
	assert_false(cm_message_recipient(message, "<bob@peer.test>"));
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.reason, CM_REASON_TOO_MANY_RECIPIENTS);
	assert_int_equal(verdict.code, 452);
	assert_string_equal(verdict.enhanced, "4.5.3");
	cm_message_free(&message);
}

static enum cm_reason reason_at_once(struct cm_policy *policy, enum cm_direction direction,
				     const char *from)
{
	struct cm_message *message = cm_message_begin(policy, direction, from);
	struct cm_verdict verdict;

	cm_message_verdict(message, &verdict);
	cm_message_free(&message);
	return verdict.code == 0 ? CM_REASON_ENCRYPTED : verdict.reason;
}

/* Sends the usual message of alice. */
static struct cm_verdict send_as(struct cm_policy *policy, enum cm_direction direction,
				 const char *from)
{
	char *text = usual_message();
	struct cm_verdict verdict = judge_bytes(policy, direction, from, "<carol@relay.test>", text,
						strlen(text), CM_FEED_CHUNK);

	free(text);
	return verdict;
}

/* The burst, whatever the writing of the address; and the count goes on under a new configuration.
   What ends before the end of its headers does not count: anybody might have begun it. */
static void senders_have_a_rate(void **state)
{
	struct fixture *fixture = *state;
	struct cm_config *config =
	    test_config(fixture->directory, "max_user_send_per_minute = 1\n"
					    "max_user_send_burst_size = 3\n");
	struct cm_policy *policy = cm_policy_new(config, NULL);
	struct cm_policy *next;
	struct cm_verdict verdict;

	for (int i = 0; i < 10; i++)
		assert_int_equal(reason_at_once(policy, CM_DIRECTION_OUT, ALICE),
				 CM_REASON_ENCRYPTED);
	assert_int_equal(send_as(policy, CM_DIRECTION_OUT, ALICE).reason, CM_REASON_ENCRYPTED);
	assert_int_equal(send_as(policy, CM_DIRECTION_OUT, "<ALICE@relay.test>").reason,
			 CM_REASON_ENCRYPTED);
	next = cm_policy_renew(policy, config, NULL);
	cm_policy_free(&policy);
	assert_int_equal(send_as(next, CM_DIRECTION_OUT, "alice@relay.test").reason,
			 CM_REASON_ENCRYPTED);
	verdict = send_as(next, CM_DIRECTION_OUT, ALICE);
	assert_int_equal(verdict.reason, CM_REASON_RATE_LIMIT);
	assert_int_equal(verdict.code, 450);
	assert_string_equal(verdict.enhanced, "4.7.1");
	assert_string_equal(verdict.text, "Too much mail from <alice@relay.test>");
	assert_int_equal(send_as(next, CM_DIRECTION_OUT, "<bob@relay.test>").reason,
			 CM_REASON_FROM_MISMATCH);
	assert_int_equal(send_as(next, CM_DIRECTION_IN, ALICE).reason, CM_REASON_ENCRYPTED);
	cm_policy_free(&next);
	cm_config_free(&config);
}

static void blocked_senders_are_refused_inwards(void **state)
{
	struct fixture *fixture = *state;
	char *list = test_path(fixture->directory, "blocked");
	char *line = NULL, *text = usual_message();
	char *from_spammer = test_replaced(text, FROM_LINE, "From: x@spam.test\n");
	struct cm_config *config;
	struct cm_policy *policy;
	struct cm_verdict verdict;

	test_write_text(fixture->directory, "blocked", "spam.test\n");
	assert_true(asprintf(&line, "blocked_senders_file = %s\n", list) > 0);
	config = test_config(fixture->directory, line);
	policy = cm_policy_new(config, NULL);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_IN, "<a@spam.test>"),
			 CM_REASON_BLOCKED_SENDER);
	assert_int_equal(reason_at_once(policy, CM_DIRECTION_OUT, "<a@spam.test>"),
			 CM_REASON_ENCRYPTED);
	verdict = judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", from_spammer);
	assert_int_equal(verdict.reason, CM_REASON_BLOCKED_SENDER);
	assert_int_equal(verdict.code, 554);
	verdict = judge(policy, CM_DIRECTION_IN, "<carol@relay.test>", text);
	assert_int_equal(verdict.reason, CM_REASON_ENCRYPTED);
	cm_policy_free(&policy);
	cm_config_free(&config);
	free(from_spammer);
	free(text);
	free(line);
	free(list);
}

/* Messages of different kinds in several threads at once, as the daemon has them. */
struct worker {
	struct cm_policy *policy;
	const char *text;
	enum cm_reason out, in;
	unsigned int wrong;
};

static void *judge_again_and_again(void *context)
{
	struct worker *worker = context;

	for (int i = 0; i < 200; i++) {
		struct cm_verdict out =
		    judge(worker->policy, CM_DIRECTION_OUT, "<bob@peer.test>", worker->text);
		struct cm_verdict in =
		    judge(worker->policy, CM_DIRECTION_IN, "<carol@relay.test>", worker->text);

		worker->wrong += out.reason != worker->out || in.reason != worker->in;
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	struct fixture *fixture = *state;
	char *usual = usual_message();
	char *preamble = test_replaced(usual, PART1, "This is encrypted\n" PART1);
	char *comment = test_replaced(usual, FROM_LINE, "From: alice@relay.test (Alice)\n");
	struct worker workers[] = {
	    {fixture->policy, usual, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, preamble, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, comment, CM_REASON_FROM_HEADER, CM_REASON_ENCRYPTED, 0},
	    {fixture->policy, SECURE_JOIN, CM_REASON_SECURE_JOIN, CM_REASON_SECURE_JOIN, 0},
	};
	pthread_t threads[COUNT(workers)];

	for (size_t i = 0; i < COUNT(workers); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, judge_again_and_again, &workers[i]), 0);
	for (size_t i = 0; i < COUNT(workers); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].wrong, 0);
	}
	free(comment);
	free(preamble);
	free(usual);
}

/* Calls in the wrong order or missing are our own fault: a 451. */
static void a_message_without_end_of_headers_is_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct cm_message *message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	struct cm_verdict verdict;

	cm_message_end(message, CM_DKIM_VALID, &verdict);
	assert_int_equal(verdict.code, 451);
	cm_message_free(&message);
	message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	assert_false(cm_message_body(message, "x", 1));
	cm_message_verdict(message, &verdict);
	assert_int_equal(verdict.code, 451);
	cm_message_free(&message);
}

static void explanations_say_what_was_seen(void **state)
{
	static const char *const lines[] = {
	    "direction: out, 1 recipients, 8 headers",
	    "from: alice@relay.test",
	    "type: multipart/encrypted",
	    "part 1: application/pgp-encrypted, 7bit, 2 lines",
	    "part 2: application/octet-stream, 7bit",
	    "armor: 0 headers, with checksum",
	    "packet 1: PKESK version 3, 94 bytes, new format",
	    "packet 2: SEIPD version 1, 300 bytes, new format",
	    "rule: encrypted",
	};
	struct fixture *fixture = *state;
	char *text = usual_message();
	struct test_delivery delivery = {.piece = 100};
	struct cm_verdict verdict;
	char *seen = NULL;
	size_t size;
	FILE *stream = open_memstream(&seen, &size);

	delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_OUT, ALICE);
	assert_true(cm_message_recipient(delivery.message, "<bob@peer.test>"));
	give(&delivery, text, strlen(text));
	cm_message_end(delivery.message, CM_DKIM_NONE, &verdict);
	cm_message_explain(delivery.message, stream);
	fclose(stream);
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (strstr(seen, lines[i]) == NULL)
			fail_msg("no \"%s\" in\n%s", lines[i], seen);
	}
	cm_message_free(&delivery.message);
	free(seen);
	free(text);
}

/* Every reason has a name, and a reply whose enhanced code agrees with the code. */
static void the_table_of_replies_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < CM_REASON_COUNT; i++) {
		const char *name = cm_reason_name((enum cm_reason)i);

		assert_non_null(name);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(name, cm_reason_name((enum cm_reason)k));
	}
	for (int i = 0; i < CM_REASON_COUNT; i++) {
		struct cm_verdict verdict;
		char class;

		cm_reply(&verdict, (enum cm_reason)i, NULL, "a@b.test", "c@d.test");
		class = (char)('0' + verdict.code / 100);
		assert_true(verdict.text[0] != '\0');
		assert_null(strpbrk(verdict.text, "\r\n%"));
		assert_int_equal(class == '2', cm_reason_accepts((enum cm_reason)i));
		assert_true(class == '2' || class == '4' || class == '5');
		assert_true(verdict.enhanced[0] == '\0' || verdict.enhanced[0] == class);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encrypted_messages_pass),
	    cmocka_unit_test(what_is_not_encrypted_does_not_pass),
	    cmocka_unit_test(secure_join_requests_pass),
	    cmocka_unit_test(other_text_is_no_secure_join_request),
	    cmocka_unit_test(another_boundary_has_nothing_to_show),
	    cmocka_unit_test(all_forms_of_armor_pass),
	    cmocka_unit_test(long_armor_lines_come_only_from_elsewhere),
	    cmocka_unit_test(transfer_encodings_are_decoded),
	    cmocka_unit_test(a_changed_armor_does_not_pass),
	    cmocka_unit_test(a_message_cut_short_does_not_pass),
	    cmocka_unit_test(armored_packets_are_judged),
	    cmocka_unit_test(bounds_are_kept),
	    cmocka_unit_test(hopeless_messages_end_with_their_headers),
	    cmocka_unit_test(replies_have_upstreams_words),
	    cmocka_unit_test(envelope_senders_are_judged_at_once),
	    cmocka_unit_test(incoming_senders_may_be_null_or_odd),
	    cmocka_unit_test(one_recipient_that_refuses_cleartext_is_enough),
	    cmocka_unit_test(a_mailbox_that_cannot_be_read_is_trouble),
	    cmocka_unit_test(incoming_mail_needs_a_signature),
	    cmocka_unit_test(nobody_else_sends_from_our_own_literal),
	    cmocka_unit_test(bounces_pass_inwards),
	    cmocka_unit_test(setup_messages_go_to_oneself),
	    cmocka_unit_test(only_so_many_recipients),
	    cmocka_unit_test(senders_have_a_rate),
	    cmocka_unit_test(blocked_senders_are_refused_inwards),
	    cmocka_unit_test(threads_do_not_disturb_each_other),
	    cmocka_unit_test(a_message_without_end_of_headers_is_trouble),
	    cmocka_unit_test(explanations_say_what_was_seen),
	    cmocka_unit_test(the_table_of_replies_is_complete),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
