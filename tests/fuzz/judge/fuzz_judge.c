/*
 * fuzz_judge - the steps of SMTP in any order, as a faulty mail server might send them to the
 * milter
 *
 * The first byte chooses: bit 0 the direction, bit 1 the null sender. Each byte after that is a
 * step.
 */
#include "fuzz.h"

#include "judge.h"
#include "mailboxes.h"

#include <string.h>

static struct cm_config config;

static const char *const recipients[] = {TEST_MAILBOX, "<nobody@relay.test>",
					 "<\"bob\"@relay.test>", "<bob@[127.0.0.1]>"};

/* Without a signature, so that no test queries the DNS. */
static const struct {
	const char *name, *value;
} fields[] = {
    {"From", " <alice@relay.test>"},
    {"From", " Mail <mailer-daemon@[192.0.2.1]>"},
    {"MIME-Version", " 1.0"},
    {"Content-Type", " multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b"},
    {"Content-Type", " multipart/mixed; boundary=b"},
    {"Content-Type", " multipart/report; report-type=delivery-status; boundary=b"},
    {"Content-Type", " text/plain"},
    {"Secure-Join", " vc-request"},
    {"Auto-Submitted", " auto-replied"},
    {"Subject", " Autocrypt Setup Message"},
};

static const char *const lines[] = {
    "--b\r\n",
    "--b--\r\n",
    "\r\n",
    "Content-Type: text/plain\r\n\r\n",
    "secure-join: vc-request\r\n",
    "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n",
    "Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n",
    "0kABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
    "AAAAAAAAAAAAAAAAAAAA\r\n-----END PGP MESSAGE-----\r\n",
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\n",
    "Final-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n",
    "Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <a@b>\r\n",
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

struct seen {
	unsigned int recipients;
	bool header, headers_ended, decided;
};

/* Performs one step. Returns true if the message may continue. */
static bool step(struct cm_judge *judge, unsigned int what, struct seen *seen)
{
	size_t which = what >> 2;

	switch (what & 3) {
	case 0:
		seen->recipients++;
		return cm_judge_recipient(judge, recipients[which % COUNT(recipients)]);
	case 1:
		return cm_judge_header(judge, fields[which % COUNT(fields)].name,
				       fields[which % COUNT(fields)].value);
	case 2:
		seen->headers_ended = true;
		return cm_judge_end_of_headers(judge);
	default:
		return cm_judge_body(judge, lines[which % COUNT(lines)],
				     strlen(lines[which % COUNT(lines)]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cm_policy *policy;
	static struct cm_dkim *dkim;
	struct seen seen = {0};
	struct cm_verdict verdict, before = {0};
	struct cm_judge *judge;
	enum cm_direction direction;

	if (policy == NULL) {
		config = test_relay_config();
		config.max_recipients = 3;
		policy = cm_policy_new(&config, NULL);
		dkim = cm_dkim_new("127.0.0.1@1", NULL);
	}
	require(policy != NULL && dkim != NULL);
	if (size == 0)
		return 0;
	direction = data[0] & 1 ? CM_DIRECTION_OUT : CM_DIRECTION_IN;
	judge = cm_judge_begin(policy, dkim, direction, data[0] & 2 ? "<>" : "<alice@relay.test>",
			       "192.0.2.1");
	require(judge != NULL);
	cm_judge_verdict(judge, &before);
	seen.decided = before.code != 0;
	for (size_t i = 1; i < size; i++) {
		bool goes_on = step(judge, data[i], &seen);

		cm_judge_verdict(judge, &verdict);
		require(goes_on == (verdict.code == 0));
		/* A verdict does not change. */
		if (seen.decided)
			require(!goes_on && verdict.reason == before.reason);
		seen.decided = !goes_on;
		before = verdict;
	}
	cm_judge_end(judge, &verdict);
	require(verdict.code == 250 || (verdict.code >= 400 && verdict.code < 600));
	require((verdict.code == 250) == cm_reason_accepts(verdict.reason));
	if (seen.decided)
		require(verdict.reason == before.reason && verdict.code != 250);
	if (verdict.code == 250)
		require(seen.headers_ended &&
			(direction == CM_DIRECTION_OUT || seen.recipients > 0));
	cm_judge_free(&judge);
	return 0;
}
