/*
 * One struct session per connection, libmilter's private pointer, which handles one message at a
 * time. The callbacks are in the order of the protocol.
 */
#include "session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmilter/mfapi.h>

#include "clock.h"
#include "header_changes.h"
#include "judge.h"
#include "log.h"
#include "runtime.h"
#include "worker_wakeup.h"

/* libmilter refuses longer replies (its MAXREPLYLEN is 980). */
#define REPLY_SIZE 900

struct session {
	unsigned long unanswered; /* events for which Postfix wants no reply: SMFIP_NR_... */
	bool without_client;      /* Postfix simulates the connection, see is_internal() */

	/* the current message, if runtime is not NULL */
	struct cm_runtime *runtime;
	enum cm_direction direction;
	struct cm_judge *judge;         /* NULL: Postfix's own message, which is only signed */
	struct cm_signature *signature; /* outgoing, if the milter signs */
	size_t recipients;
	bool refuses_all; /* recipients: the first one decided the message */
	uint64_t bytes;
	int64_t nanoseconds; /* time spent in this program */
};

/* The connection's session, created at its first event. NULL if out of memory. */
static struct session *get_session(SMFICTX *context)
{
	struct session *session = smfi_getpriv(context);

	if (session != NULL)
		return session;
	session = calloc(1, sizeof(*session));
	if (session != NULL && smfi_setpriv(context, session) != MI_SUCCESS) {
		free(session);
		session = NULL;
	}
	return session;
}

static void end_message(struct session *session)
{
	if (session->runtime == NULL)
		return;
	cm_judge_free(&session->judge);
	cm_signature_free(&session->signature);
	cm_runtime_leave(&session->runtime);
}

/* Copies text in libmilter's form: one printable line, '%' doubled (Postfix halves it again). */
static void format_reply(const char *text, char reply_r[REPLY_SIZE])
{
	size_t length = 0;

	for (; *text != '\0' && length < REPLY_SIZE - 2; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '%')
			reply_r[length++] = '%';
		reply_r[length++] = byte < 0x20 || byte >= 0x7f ? '?' : *text;
	}
	reply_r[length] = '\0';
}

/* An internal failure, at any stage. */
static sfsistat fail(SMFICTX *context, struct session *session, const char *what)
{
	cm_log(LOG_ERR, "%s", what);
	if (session != NULL)
		end_message(session);
	smfi_setreply(context, "451", "4.3.0", "Internal failure, try again later");
	return SMFIS_TEMPFAIL;
}

static void count(const struct session *session, const struct cm_verdict *verdict)
{
	struct cm_stats *stats = cm_runtime_stats(session->runtime);

	cm_stats_add(stats,
		     cm_stat_verdict(session->direction == CM_DIRECTION_OUT, verdict->reason), 1);
	cm_stats_observe(stats, CM_STAT_MILTER_CHECK_MICROSECONDS,
			 (uint64_t)session->nanoseconds / 1000);
	cm_stats_observe(stats, CM_STAT_MILTER_MESSAGE_BYTES, session->bytes);
}

static void log_refusal(SMFICTX *context, const struct session *session,
			const struct cm_verdict *verdict)
{
	const char *queue_id = smfi_getsymval(context, "i");
	const char *dkim = cm_judge_dkim_why(session->judge);

	cm_log(LOG_INFO, "%s: %s refused: %s %d%s%s%s%s", queue_id != NULL ? queue_id : "NOQUEUE",
	       session->direction == CM_DIRECTION_OUT ? "out" : "in",
	       cm_reason_name(verdict->reason), verdict->code, verdict->why != NULL ? ": " : "",
	       verdict->why != NULL ? verdict->why : "", *dkim != '\0' ? "; DKIM: " : "", dkim);
}

/* Adds the signatures, above every other field. The last one added is the topmost: the first key's,
   which more verifiers know. */
static bool add_signatures(SMFICTX *context, struct session *session, struct cm_error *err)
{
	if (session->signature == NULL)
		return true;
	if (!cm_signature_end(session->signature, time(NULL), err))
		return false;
	for (size_t i = cm_signature_count(session->signature); i-- > 0;) {
		const char *value = cm_signature_value(session->signature, i);

		if (smfi_insheader(context, 0, (char *)"DKIM-Signature", (char *)value) !=
		    MI_SUCCESS) {
			cm_error_set(err, "libmilter cannot add a header field");
			return false;
		}
	}
	return true;
}

/* Accepts the message, and signs it if it is outgoing. */
static sfsistat pass(SMFICTX *context, struct session *session)
{
	struct cm_error err;

	if (!add_signatures(context, session, &err))
		return fail(context, session, err.text);
	end_message(session);
	return SMFIS_CONTINUE;
}

/* Sends a refusal to Postfix. */
static sfsistat reply(SMFICTX *context, const struct cm_verdict *verdict)
{
	char text[REPLY_SIZE], code[4];

	snprintf(code, sizeof(code), "%d", verdict->code);
	format_reply(verdict->text, text);
	if (smfi_setreply(context, code,
			  verdict->enhanced[0] != '\0' ? (char *)verdict->enhanced : NULL,
			  text) != MI_SUCCESS) {
		/* Without its text a refusal explains nothing to the user. */
		cm_log(LOG_ERR, "libmilter rejected reply code %s %s", code, verdict->enhanced);
		return SMFIS_TEMPFAIL;
	}
	return verdict->code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/* Sends the verdict and ends the message. */
static sfsistat conclude(SMFICTX *context, struct session *session,
			 const struct cm_verdict *verdict)
{
	if (verdict->code == 250 && cm_reason_accepts(verdict->reason)) {
		if (verdict->drops_sender &&
		    smfi_chgfrom(context, (char *)"<>", NULL) != MI_SUCCESS)
			return fail(context, session, "cannot drop the envelope sender");
		count(session, verdict);
		return pass(context, session);
	}
	if (verdict->code < 400 || verdict->code > 599)
		return fail(context, session, "the policy gave no usable verdict");
	count(session, verdict);
	log_refusal(context, session, verdict);
	end_message(session);
	return reply(context, verdict);
}

static sfsistat conclude_early(SMFICTX *context, struct session *session)
{
	struct cm_verdict verdict;

	cm_judge_verdict(session->judge, &verdict);
	return conclude(context, session, &verdict);
}

/* Continues without a reply, or with one if Postfix waits for it. */
static sfsistat go_on(const struct session *session, unsigned long event)
{
	return (session->unanswered & event) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* The session if a message is in progress in it, otherwise NULL. */
static struct session *get_message(SMFICTX *context)
{
	struct session *session = smfi_getpriv(context);

	return session != NULL && session->runtime != NULL ? session : NULL;
}

/* True for a message that Postfix created itself, a bounce. It enters the queue without a
   client: Postfix simulates a connection from loopback with port 0, which no client has, and
   in master.cf only port 25 has its daemon name. */
static bool is_internal(SMFICTX *context, const struct session *session)
{
	const char *daemon = smfi_getsymval(context, "{daemon_name}");

	return session->without_client && daemon != NULL && strcmp(daemon, "ORIGINATING") == 0;
}

/* Called once per connection. Requests the macros that decide the direction from Postfix,
   whatever its configuration is; and {mail_addr}, which always exists, so that macros of an
   earlier MAIL FROM are never used for this one. */
static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
			     unsigned long unused_2, unsigned long unused_3,
			     unsigned long *actions_r, unsigned long *steps_r,
			     unsigned long *unused_2_r, unsigned long *unused_3_r)
{
	const unsigned long needed = SMFIP_HDR_LEADSPC;
	struct session *session = get_session(context);

	(void)actions;
	(void)unused_2;
	(void)unused_3;
	if (session == NULL || (steps & needed) != needed) {
		cm_log(LOG_ERR, session == NULL ? "out of memory"
						: "the mail server is too old: it does not keep "
						  "the white space of header fields");
		return SMFIS_REJECT;
	}
	if (smfi_setsymlist(context, SMFIM_ENVFROM, "{auth_authen} {mail_addr} {client_addr}") !=
		MI_SUCCESS ||
	    smfi_setsymlist(context, SMFIM_EOH, "i") != MI_SUCCESS ||
	    smfi_setsymlist(context, SMFIM_EOM, "i") != MI_SUCCESS) {
		cm_log(LOG_ERR, "libmilter rejected the list of macros");
		return SMFIS_REJECT;
	}
	/* Steps that are never refused at once need no reply, which costs both sides a wake-up. */
	session->unanswered = steps & (SMFIP_NR_CONN | SMFIP_NR_HDR | SMFIP_NR_BODY);
	*actions_r = SMFIF_SETSYMLIST | SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGFROM;
	*steps_r = needed | session->unanswered |
		   (steps & (SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA));
	*unused_2_r = *unused_3_r = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *context, char *host, struct sockaddr *address)
{
	struct session *session = get_session(context);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	(void)host;
	if (session == NULL)
		return fail(context, NULL, "out of memory");
	session->without_client = false;
	if (address != NULL && address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		session->without_client =
		    v4.sin_port == 0 && v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	} else if (address != NULL && address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		session->without_client = v6.sin6_port == 0 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
	}
	return go_on(session, SMFIP_NR_CONN);
}

/* False if there is no key, or no memory. */
static bool begin_signature(struct session *session)
{
	const struct cm_signer *signer = cm_runtime_signer(session->runtime);

	if (!cm_runtime_signs(session->runtime))
		return true;
	session->signature = signer == NULL ? NULL : cm_signature_begin(signer);
	return session->signature != NULL;
}

static bool begin(SMFICTX *context, struct session *session, const char *sender)
{
	const char *client = smfi_getsymval(context, "{client_addr}");

	if (client != NULL && strncmp(client, "IPv6:", 5) == 0)
		client += 5; /* Postfix marks these addresses. */
	session->judge =
	    cm_judge_begin(cm_runtime_policy(session->runtime), cm_runtime_dkim(session->runtime),
			   session->direction, sender, client != NULL ? client : "");
	if (session->judge == NULL)
		return false;
	return session->direction == CM_DIRECTION_IN || begin_signature(session);
}

static sfsistat begin_internal(SMFICTX *context, struct session *session)
{
	session->nanoseconds = 0;
	return begin_signature(session) ? SMFIS_CONTINUE : fail(context, session, "cannot sign");
}

static sfsistat on_mail(SMFICTX *context, char **arguments)
{
	const char *login = smfi_getsymval(context, "{auth_authen}");
	struct session *session = get_session(context);
	struct cm_verdict verdict;
	int64_t start = cm_clock_nanoseconds();

	if (session == NULL)
		return fail(context, NULL, "out of memory");
	end_message(session);
	session->runtime = cm_runtime_enter();
	if (session->runtime == NULL) {
		smfi_setreply(context, "451", "4.3.2", "Restarting, try again soon");
		return SMFIS_TEMPFAIL;
	}
	session->direction = login != NULL && *login != '\0' ? CM_DIRECTION_OUT : CM_DIRECTION_IN;
	session->bytes = 0;
	session->recipients = 0;
	session->refuses_all = false;
	if (session->direction == CM_DIRECTION_IN && is_internal(context, session))
		return begin_internal(context, session);
	if (!begin(context, session, arguments[0]))
		return fail(context, session, "out of memory");
	session->nanoseconds = cm_clock_nanoseconds() - start;
	cm_judge_verdict(session->judge, &verdict);
	return verdict.code == 0 ? SMFIS_CONTINUE : conclude(context, session, &verdict);
}

/* Clients expect one reply for all recipients (README). So if the first recipient decides the
   message, each gets that verdict; a later verdict waits for the end of the header. */
static sfsistat answer_recipient(SMFICTX *context, struct session *session, bool goes_on)
{
	struct cm_verdict verdict;
	bool first = session->recipients++ == 0;

	if (first)
		session->refuses_all = !goes_on;
	if (!session->refuses_all)
		return SMFIS_CONTINUE;
	cm_judge_verdict(session->judge, &verdict);
	if (first) {
		count(session, &verdict);
		log_refusal(context, session, &verdict);
	}
	return reply(context, &verdict);
}

/* Events without a message are ignored: a message that never began is not accepted. */
static sfsistat on_recipient(SMFICTX *context, char **arguments)
{
	struct session *session = get_session(context);

	if (session == NULL)
		return fail(context, NULL, "out of memory");
	if (session->judge == NULL)
		return SMFIS_CONTINUE;
	return answer_recipient(context, session, cm_judge_recipient(session->judge, arguments[0]));
}

/* Header fields and pieces of the body are never refused at once: Postfix sends them without
   waiting. */
static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	struct session *session = get_session(context);
	int64_t start = cm_clock_nanoseconds();

	if (session == NULL)
		return fail(context, NULL, "out of memory");
	session->bytes += strlen(name) + strlen(value) + 3;
	if (session->judge != NULL)
		cm_judge_header(session->judge, name, value);
	else if (session->signature != NULL)
		cm_signature_header(session->signature, name, value);
	session->nanoseconds += cm_clock_nanoseconds() - start;
	return go_on(session, SMFIP_NR_HDR);
}

/* Signs the outgoing header. */
static void sign_header(struct session *session)
{
	const struct cm_header_rewrite *rewrite =
	    cm_message_header_rewrite(cm_judge_message(session->judge));

	for (size_t i = 0; i < rewrite->count; i++)
		if (rewrite->field[i].value != NULL)
			cm_signature_header(session->signature, rewrite->field[i].name,
					    rewrite->field[i].value);
}

static sfsistat on_end_of_headers(SMFICTX *context)
{
	struct session *session = get_message(context);
	int64_t start = cm_clock_nanoseconds();
	bool goes_on;

	if (session == NULL)
		return fail(context, NULL, "the end of a header without a message");
	if (session->judge == NULL)
		return SMFIS_CONTINUE;
	goes_on = cm_judge_end_of_headers(session->judge);
	if (goes_on && session->signature != NULL)
		sign_header(session);
	session->nanoseconds += cm_clock_nanoseconds() - start;
	return goes_on ? SMFIS_CONTINUE : conclude_early(context, session);
}

static sfsistat on_body(SMFICTX *context, unsigned char *data, size_t length)
{
	struct session *session = get_session(context);
	int64_t start = cm_clock_nanoseconds();

	if (session == NULL)
		return fail(context, NULL, "out of memory");
	session->bytes += length;
	if ((session->judge == NULL || cm_judge_body(session->judge, data, length)) &&
	    session->signature != NULL)
		cm_signature_body(session->signature, data, length);
	session->nanoseconds += cm_clock_nanoseconds() - start;
	return go_on(session, SMFIP_NR_BODY);
}

static sfsistat on_end_of_message(SMFICTX *context)
{
	struct session *session = get_message(context);
	struct cm_verdict verdict;
	int64_t start = cm_clock_nanoseconds();

	if (session == NULL)
		return fail(context, NULL, "the end of a message without its start");
	if (session->judge == NULL)
		return pass(context, session);
	if (cm_judge_waits(session->judge)) {
		cm_worker_wakeup_wait_begin();
		cm_judge_end(session->judge, &verdict);
		cm_worker_wakeup_wait_end();
	} else {
		cm_judge_end(session->judge, &verdict);
	}
	session->nanoseconds += cm_clock_nanoseconds() - start;
	if (verdict.code == 250 &&
	    !cm_header_changes_apply(context,
				     cm_message_header_rewrite(cm_judge_message(session->judge))))
		return fail(context, session, "the mail server rejected a change of the header");
	return conclude(context, session, &verdict);
}

static sfsistat on_abort(SMFICTX *context)
{
	struct session *session = get_message(context);

	if (session != NULL)
		end_message(session);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *context)
{
	struct session *session = smfi_getpriv(context);

	if (session == NULL)
		return SMFIS_CONTINUE;
	end_message(session);
	smfi_setpriv(context, NULL);
	free(session);
	return SMFIS_CONTINUE;
}

struct smfiDesc *cm_session_filter(void)
{
	static struct smfiDesc filter = {
	    .xxfi_name = (char *)"chatmail-milter",
	    .xxfi_version = SMFI_VERSION,
	    .xxfi_flags = SMFIF_SETSYMLIST | SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGFROM,
	    .xxfi_negotiate = on_negotiate,
	    .xxfi_connect = on_connect,
	    .xxfi_envfrom = on_mail,
	    .xxfi_envrcpt = on_recipient,
	    .xxfi_header = on_header,
	    .xxfi_eoh = on_end_of_headers,
	    .xxfi_body = on_body,
	    .xxfi_eom = on_end_of_message,
	    .xxfi_abort = on_abort,
	    .xxfi_close = on_close,
	};

	return &filter;
}
