/*
 * test_policy_report - bounces that are accepted for users who accept only encrypted mail
 */
#include "policy_fixture.h"

#define HEADER                                                                                     \
	"From: MAILER-DAEMON@peer.test (Mail Delivery System)\n"                                   \
	"Subject: Undelivered Mail Returned to Sender\n"                                           \
	"Auto-Submitted: auto-replied\n"                                                           \
	"MIME-Version: 1.0\n"                                                                      \
	"Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"x\"\n"          \
	"\nThis is a MIME-encapsulated message.\n\n"
#define TEXT                                                                                       \
	"--x\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n"   \
	"This is the mail system at host peer.test.\n\n"                                           \
	"I'm sorry to have to inform you that your message could not\nbe delivered.\n\n"
#define RECIPIENT                                                                                  \
	"Final-Recipient: rfc822; nobody@peer.test\n"                                              \
	"Original-Recipient: rfc822;nobody@peer.test\n"                                            \
	"Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; peer.test\n"                              \
	"Diagnostic-Code: smtp; 550 5.1.1 <nobody@peer.test>\n    User doesn't exist\n\n"
#define STATUS                                                                                     \
	"--x\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n"     \
	"Reporting-MTA: dns; peer.test\nX-Postfix-Queue-ID: 4A\n"                                  \
	"X-Postfix-Sender: rfc822; alice@relay.test\n"                                             \
	"Arrival-Date: Sat, 14 Mar 2026 01:02:03 +0000 (UTC)\n\n" RECIPIENT
#define RETURNED                                                                                   \
	"--x\nContent-Description: Undelivered Message Headers\n"                                  \
	"Content-Type: text/rfc822-headers\n\n"                                                    \
	"Received: from relay.test (relay.test [192.0.2.1])\n\tby peer.test\n"                     \
	"Message-ID: <1@localhost>\nSubject: [...]\n\n"
#define END_OF_REPORT "--x--\n"
/* Postfix 3.7 */
#define POSTFIX HEADER TEXT STATUS RETURNED END_OF_REPORT

/* Exim 4.96 with a truncated body */
#define EXIM                                                                                       \
	"From: Mail Delivery System <Mailer-Daemon@peer.test>\n"                                   \
	"Auto-Submitted: auto-replied\nX-Failed-Recipients: nobody@peer.test\n"                    \
	"MIME-Version: 1.0\n"                                                                      \
	"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"              \
	"--x\nContent-type: text/plain; charset=us-ascii\n\n"                                      \
	"This message was created automatically by mail delivery software.\n\n"                    \
	"--x\nContent-type: message/delivery-status\n\n"                                           \
	"Reporting-MTA: dns; peer.test\n\n"                                                        \
	"Action: failed\nFinal-Recipient: rfc822;nobody@peer.test\nStatus: 5.0.0\n\n"              \
	"--x\nContent-type: message/rfc822\n\n"                                                    \
	"Return-path: <alice@relay.test>\nMessage-ID: <1@localhost>\nFrom: <alice@relay.test>\n"   \
	"MIME-Version: 1.0\n"                                                                      \
	"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\n"             \
	"\tboundary=\"inner\"\n\n"                                                                 \
	"--inner\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n"                       \
	"--inner\nContent-Type: application/octet-stream\n\n"                                      \
	"-----BEGIN PGP MESSAGE-----\n\nwV4DeqB+4eryPcc5bQ2meBaABRI6p07en3iccGMAC+bIJSE9rSK8\n\n"  \
	"--x--\n"

/* Gmail's, as plain text: it quotes no report-type and has no Description. */
#define GMAIL                                                                                      \
	"From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\n"                           \
	"Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"                                        \
	"Content-Type: multipart/report; boundary=\"x\"; report-type=delivery-status\n"            \
	"Subject: Delivery Status Notification (Failure)\n\n"                                      \
	"--x\nContent-Type: text/plain; charset=\"UTF-8\"\n"                                       \
	"Content-Transfer-Encoding: quoted-printable\n\n** Address not found =E2=80=93 **\n\n"     \
	"--x\nContent-Type: message/delivery-status\n\n"                                           \
	"Reporting-MTA: dns; googlemail.com\n"                                                     \
	"Received-From-MTA: dns; alice@relay.test\n"                                               \
	"Arrival-Date: Sat, 14 Mar 2026 01:02:03 -0700 (PDT)\n"                                    \
	"X-Original-Message-ID: <1@localhost>\n\n"                                                 \
	"Final-Recipient: rfc822; nobody@gmail.com\nAction: failed\nStatus: 5.1.1\n"               \
	"Last-Attempt-Date: Sat, 14 Mar 2026 01:02:04 -0700 (PDT)\n\n"                             \
	"--x\nContent-Type: message/rfc822\n\n"                                                    \
	"Message-ID: <1@localhost>\nSubject: [...]\n\n--x--\n"

/* The returned message of a peer that returns the whole secure-join request. */
#define RETURNED_JOIN                                                                              \
	"--x\nContent-Type: message/rfc822\n\nMessage-ID: <1@localhost>\n"                         \
	"Secure-Join: vc-request\nMIME-Version: 1.0\n"                                             \
	"Content-Type: multipart/mixed; boundary=\"inner\"\n\n"                                    \
	"--inner\nContent-Type: text/plain; charset=\"utf-8\"\n\n"                                 \
	"secure-join: vc-request\n\n--inner--\n\n"

static enum cm_reason judge(const struct fixture *fixture, const char *sender, const char *text,
			    const char **from_r)
{
	static char from[300];
	struct test_delivery delivery = {.piece = 100};
	const struct cm_header_rewrite *rewrite;
	struct cm_verdict verdict;

	delivery.message = cm_message_begin(fixture->policy, CM_DIRECTION_IN, sender);
	assert_true(cm_message_recipient(delivery.message, "<carol@relay.test>"));
	test_give(&delivery, text, strlen(text));
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	rewrite = cm_message_header_rewrite(delivery.message);
	*from_r = NULL;
	if (rewrite->count == 1) {
		assert_string_equal(rewrite->field[0].name, "From");
		snprintf(from, sizeof(from), "%s", rewrite->field[0].value);
		*from_r = from;
	}
	cm_message_free(&delivery.message);
	return verdict.reason;
}

static void bounces_of_mail_servers_pass(void **state)
{
	static const struct {
		const char *text, *from;
	} cases[] = {
	    {POSTFIX, " <mailer-daemon@peer.test>"},
	    {HEADER TEXT STATUS RECIPIENT RETURNED END_OF_REPORT, " <mailer-daemon@peer.test>"},
	    {HEADER TEXT STATUS RETURNED_JOIN END_OF_REPORT, " <mailer-daemon@peer.test>"},
	    {EXIM, " <mailer-daemon@peer.test>"},
	    {GMAIL, " <mailer-daemon@googlemail.com>"},
	};
	const char *from;

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (judge(*state, "<>", cases[i].text, &from) != CM_REASON_BOUNCE)
			fail_msg("case %zu", i);
		/* No display name chosen by others is shown. */
		assert_non_null(from);
		assert_string_equal(from, cases[i].from);
		assert_int_equal(judge(*state, "<x@peer.test>", cases[i].text, &from),
				 CM_REASON_NOT_ENCRYPTED);
		assert_null(from);
	}
}

static void names_without_an_odd_ending_pass(void **state)
{
	static const char *const names[] = {"details.txt", "Original.EML", "delivery-status"};
	const char *from;

	for (size_t i = 0; i < COUNT(names); i++) {
		char *header, *text;

		assert_true(asprintf(&header,
				     "Content-Disposition: attachment; filename=\"%s\"\n"
				     "Content-Description: Notification\n",
				     names[i]) > 0);
		text = test_replaced(POSTFIX, "Content-Description: Notification\n", header);
		assert_int_equal(judge(*state, "<>", text, &from), CM_REASON_BOUNCE);
		free(text);
		free(header);
	}
}

#define R CM_REASON_MIME_STRUCTURE
#define N CM_REASON_NOT_ENCRYPTED

static const struct {
	const char *base, *old, *new;
	enum cm_reason reason;
} impostors[] = {
    {POSTFIX, "Auto-Submitted: auto-replied\n", "", N},
    {POSTFIX, "auto-replied", "no", N},
    {POSTFIX, "MAILER-DAEMON@", "postmaster@", N},
    {POSTFIX, "MAILER-DAEMON@", "mailer-daemonx@", N},
    {POSTFIX, "MAILER-DAEMON@peer.test (", "\"mailer-daemon\" <x@peer.test> (", N},
    {POSTFIX, "multipart/report", "multipart/mixed", N},
    {POSTFIX, "Content-Type: multipart", "Content-Type: text/html\nContent-Type: multipart",
     CM_REASON_AMBIGUOUS_HEADER},
    {POSTFIX, " report-type=delivery-status;", "", N},
    {POSTFIX, "report-type=delivery-status", "report-type=x", N},
    {POSTFIX, "report-type=delivery-status", "report-type=disposition-notification", N},
    /* Python's email package and MIME::Parser end this boundary at the '/'. */
    {EXIM, "boundary=x\n\n--x\n", "boundary=x/y\n\n--x/y\n", CM_REASON_AMBIGUOUS_HEADER},
    {EXIM, "boundary=x\n", "boundary=x (; boundary=y)\n", CM_REASON_AMBIGUOUS_HEADER},
    {EXIM, "boundary=x\n", "boundary=x; x=\"\xe9\x80\"\n", CM_REASON_AMBIGUOUS_HEADER},
    {EXIM, "boundary=x\n", "boundary=x; x-boundary=y\n", CM_REASON_AMBIGUOUS_HEADER},
    {POSTFIX, "text/plain", "text/html", R},
    {POSTFIX, "text/plain;", "text/plain; name=bill.html;", R},
    {POSTFIX, "text/plain;", "text/plain; name*=utf-8''bill%2Ehtml;", R},
    {POSTFIX, "text/plain;", "text/plain; name*0=bill.ht; name*1=ml;", R},
    {POSTFIX, "text/plain;", "text/plain; name=\"=?utf-8?q?bill=2Ehtml?=\";", R},
    {POSTFIX, "text/rfc822-headers", "text/rfc822-headers; name=\"bill.txt.bat\"", R},
    {POSTFIX, "message/delivery-status", "message/delivery-status; name=bill.js", R},
    {POSTFIX, "Content-Description: Notification\n",
     "Content-Disposition: attachment; filename=\"bill.html\"\n", R},
    {POSTFIX, "Content-Description: Notification\n",
     "Content-Disposition: attachment; filename=bill .html\n", R},
    {POSTFIX, "text/plain", "multipart/alternative; boundary=y", R},
    {POSTFIX, "text/plain", "image/png", R},
    {POSTFIX, "text/plain; charset=us-ascii", "text/plain; charset=utf-7",
     CM_REASON_AMBIGUOUS_HEADER},
    {HEADER TEXT RETURNED END_OF_REPORT, "", "", R},
    {HEADER TEXT STATUS END_OF_REPORT, "", "", R},
    {HEADER STATUS RETURNED END_OF_REPORT, "", "", R},
    {HEADER TEXT STATUS RETURNED RETURNED END_OF_REPORT, "", "", R},
    {HEADER TEXT STATUS RETURNED, "", "", R},
    {POSTFIX, "message/delivery-status", "text/plain", R},
    {POSTFIX, "message/delivery-status\n",
     "message/delivery-status\nContent-Transfer-Encoding: base64\n", R},
    {POSTFIX, "Reporting-MTA: dns; peer.test\n", "", R},
    {POSTFIX, "Reporting-MTA: dns; peer.test", "Reporting-MTA: Hello", R},
    {POSTFIX, "Reporting-MTA: dns; peer.test\n", "Buy my pills\n", R},
    {POSTFIX, "Reporting-MTA: dns; peer.test\n", " Buy my pills\n", R},
    {POSTFIX, "Final-Recipient: rfc822; nobody@peer.test\n", "", R},
    {POSTFIX, "Final-Recipient: rfc822; nobody@peer.test", "Final-Recipient: rfc822;", R},
    {POSTFIX, "Action: failed\n", "", R},
    {POSTFIX, "Action: failed", "Action: Buy my pills", R},
    {POSTFIX, "Action: failed", "Action: failed\nAction: failed", R},
    {POSTFIX, "Status: 5.1.1\n", "", R},
    {POSTFIX, "Status: 5.1.1", "Status: 5.1", R},
    {POSTFIX, "Status: 5.1.1", "Status: 5.1.1000", R},
    {POSTFIX, "Status: 5.1.1", "Status: 5.1.1 Buy my pills", R},
    {POSTFIX, "Status: 5.1.1", "Status: 3.1.1", R},
    {POSTFIX, RECIPIENT, "", R},
    {POSTFIX, "text/rfc822-headers", "text/plain", R},
    {POSTFIX, "text/rfc822-headers", "text/html", R},
    {POSTFIX, "Message-ID: <1@localhost>\n", "", R},
    {POSTFIX, "Message-ID: <1@localhost>\n", "Buy my pills\nMessage-ID: <1@localhost>\n", R},
    {POSTFIX, "Subject: [...]\n\n--x--", "Subject: [...]\n\nBuy my pills\n--x--", R},
    {GMAIL, "Subject: [...]\n\n", "Subject: [...]\n\nBuy my pills\n", R},
    {GMAIL, "Subject: [...]\n\n",
     "Content-Type: text/html\nMIME-Version: 1.0\n\n<b>Buy my pills</b>\n", R},
    {EXIM, "Content-Type: multipart/encrypted", "Content-Type: multipart/mixed", R},
    {EXIM, "-----BEGIN PGP MESSAGE-----\n\n", "-----BEGIN PGP MESSAGE-----\n\nBuy my pills\n",
     CM_REASON_ARMOR},
    {EXIM, "-----BEGIN PGP MESSAGE-----\n", "-----BEGIN PGP MESSAGE-----\nComment: Buy\n",
     CM_REASON_ARMOR},
    {EXIM, "--inner\nContent-Type: application/octet",
     "--inner\nX-Text: Buy\nContent-Type: "
     "application/octet",
     CM_REASON_CLEARTEXT_IN_MIME},
    {HEADER TEXT STATUS RETURNED_JOIN END_OF_REPORT, "secure-join: vc-request\n\n--inner",
     "Buy my pills\n\n--inner", N},
    {HEADER TEXT STATUS RETURNED_JOIN END_OF_REPORT, "Secure-Join: vc-request\n", "", R},
};

static void messages_that_resemble_bounces_do_not_pass(void **state)
{
	const char *from;

	for (size_t i = 0; i < COUNT(impostors); i++) {
		char *text = test_replaced(impostors[i].base, impostors[i].old, impostors[i].new);
		enum cm_reason reason = judge(*state, "<>", text, &from);

		if (reason != impostors[i].reason)
			fail_msg("case %zu: %s, not %s\n%s", i, cm_reason_name(reason),
				 cm_reason_name(impostors[i].reason), text);
		assert_null(from);
		/* Recipients who accept cleartext get it. */
		test_expect(((struct fixture *)*state)->policy, CM_DIRECTION_IN, "<bob@relay.test>",
			    text, CM_REASON_CLEARTEXT_ALLOWED, i);
		free(text);
	}
}

/* No part allows to send much text. */
static void the_texts_of_a_bounce_are_bounded(void **state)
{
	static const char *const places[] = {"be delivered.\n", "Action: failed\n",
					     "Subject: [...]\n"};
	static const size_t lines[] = {200, 400, 3000};
	const char *from;

	for (size_t i = 0; i < COUNT(places); i++) {
		char *many = malloc(lines[i] * 60 + strlen(places[i]) + 1), *text;
		size_t length = strlen(places[i]);

		strcpy(many, places[i]);
		for (size_t k = 0; k < lines[i]; k++)
			length += (size_t)sprintf(many + length, "X-Text-%06zu: %s\n", k,
						  "Buy my pills, they are very cheap");
		text = test_replaced(POSTFIX, places[i], many);
		assert_int_equal(judge(*state, "<>", text, &from), CM_REASON_MIME_BOUNDS);
		free(text);
		free(many);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounces_of_mail_servers_pass),
	    cmocka_unit_test(names_without_an_odd_ending_pass),
	    cmocka_unit_test(messages_that_resemble_bounces_do_not_pass),
	    cmocka_unit_test(the_texts_of_a_bounce_are_bounded),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
