/*
 * mxdeliv - mail from other relays over HTTPS
 *
 * The message goes to Postfix by SMTP, on a separate port on loopback, with the peer's address,
 * so all checks of port 25 apply. Postfix's final reply decides the HTTP reply: nothing is stored
 * here.
 */
#include "route.h"

#include "smtp_client.h"

#include <stdio.h>
#include <string.h>

#define HTTP_BAD_REQUEST         400
#define HTTP_SERVICE_UNAVAILABLE 503

static void fill(struct cm_httpd_reply *reply, unsigned int status, const char *text)
{
	reply->status = status;
	reply->body = strdup(text);
	reply->body_length = reply->body != NULL ? strlen(text) : 0;
}

/* 400 contains Postfix's refusal, as on port 25. If Postfix did not reply, the peer should try
   SMTP. */
static void refuse(struct cm_httpd_reply *reply, const struct cm_smtp_reply *smtp)
{
	fill(reply, smtp->code != 0 ? HTTP_BAD_REQUEST : HTTP_SERVICE_UNAVAILABLE, smtp->text);
}

static bool start(struct cm_smtp_client *client, const struct cm_httpd_envelope *envelope,
		  struct cm_smtp_reply *smtp)
{
	if (!cm_smtp_client_mail(client, envelope->sender, smtp))
		return false;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (!cm_smtp_client_recipient(client, envelope->recipients[i], smtp))
			return false;
	}
	return cm_smtp_client_data(client, smtp);
}

static void *begin(const struct cm_httpd_context *context, const struct cm_httpd_envelope *envelope,
		   struct cm_httpd_reply *reply)
{
	struct cm_smtp_client *client;
	struct cm_smtp_reply smtp;

	if (envelope->recipient_count == 0) {
		fill(reply, HTTP_BAD_REQUEST, "501 5.5.4 No X-MAIL-TO");
		return NULL;
	}
	if (envelope->recipient_count > CM_HTTPD_RECIPIENTS_MAX) {
		fill(reply, HTTP_BAD_REQUEST, "452 4.5.3 Too many recipients");
		return NULL;
	}
	client = cm_smtp_client_open(context->config->mxdeliv_port, envelope->peer, &smtp);
	if (client != NULL && start(client, envelope, &smtp))
		return client;
	refuse(reply, &smtp);
	cm_smtp_client_close(&client);
	return NULL;
}

static void data(void *stream, const char *bytes, size_t length)
{
	/* A broken connection is noticed at the end. */
	cm_smtp_client_write(stream, bytes, length);
}

static void cancel(void *stream)
{
	struct cm_smtp_client *client = stream;

	cm_smtp_client_close(&client);
}

static void end(void *stream, struct cm_httpd_reply *reply)
{
	struct cm_smtp_reply smtp;

	if (cm_smtp_client_end(stream, &smtp))
		fill(reply, reply->status, smtp.text);
	else
		refuse(reply, &smtp);
	cancel(stream);
}

const struct cm_httpd_stream cm_httpd_mxdeliv = {
    .begin = begin,
    .data = data,
    .end = end,
    .cancel = cancel,
};
