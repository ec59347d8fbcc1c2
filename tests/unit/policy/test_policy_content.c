/*
 * test_policy_content - which messages pass and which do not, each for its reason
 *
 * The tables start from the message that Delta Chat sends and change one thing at a time.
 */
#include "policy_fixture.h"

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
    {BOTH, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Subject: a\nSubject: b\n"},
    {BOTH, CM_REASON_ENCRYPTED, "To: \"hidden-recipients\": ;\n", "To: a@b.test\nTo: c@b.test\n"},
    {BOTH, CM_REASON_ENCRYPTED, "Subject: [...]\n", "Message-ID: <x@localhost>\nDate: now\n"},
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
    {BOTH, CM_REASON_ENCRYPTED, TYPE1, TYPE1 "MIME-Version: 1.0\n"},
    {BOTH, CM_REASON_ENCRYPTED, DISP2, "mime-version:\n 1.0\n"},
    {IN, CM_REASON_ENCRYPTED, DISP2, "MIME-Version: 1.0 (my own words)\n"},
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
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "MIME-Version: 1.0 (Hello Bob)\n"},
    {OUT, CM_REASON_CLEARTEXT_IN_MIME, DISP2, "MIME-Version:\n"},
    {OUT, CM_REASON_AMBIGUOUS_HEADER, DISP2, "MIME-Version: 1.0\nMIME-Version: 1.0\n"},
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

static void encrypted_messages_pass(void **state)
{
	char *base = test_usual_message();

	test_check_table(*state, base, accepted, COUNT(accepted));
	free(base);
}

static void what_is_not_encrypted_does_not_pass(void **state)
{
	char *base = test_usual_message();

	assert_true(COUNT(refused) + COUNT(secure_join_refused) >= 150);
	test_check_table(*state, base, refused, COUNT(refused));
	free(base);
}

static void secure_join_requests_pass(void **state)
{
	test_check_table(*state, SECURE_JOIN, secure_join_accepted, COUNT(secure_join_accepted));
}

static void other_text_is_no_secure_join_request(void **state)
{
	test_check_table(*state, SECURE_JOIN, secure_join_refused, COUNT(secure_join_refused));
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
	    cmocka_unit_test(encrypted_messages_pass),
	    cmocka_unit_test(what_is_not_encrypted_does_not_pass),
	    cmocka_unit_test(secure_join_requests_pass),
	    cmocka_unit_test(other_text_is_no_secure_join_request),
	    cmocka_unit_test(another_boundary_has_nothing_to_show),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
