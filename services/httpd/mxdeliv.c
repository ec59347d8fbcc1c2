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
#include <stdlib.h>
#include <string.h>

#define HTTP_BAD_REQUEST         400
#define HTTP_SERVICE_UNAVAILABLE 503

struct delivery {
	struct smtp_client *client;
};

static void fill(struct cm_httpd_reply *reply, unsigned int status, const char *text)
{
	reply->status = status;
	reply->body = strdup(text);
	reply->body_length = reply->body != NULL ? strlen(text) : 0;
}

/* 400 contains Postfix's refusal, as on port 25. If Postfix did not reply, the peer should try
   SMTP. */
static void refuse(struct cm_httpd_reply *reply, const struct smtp_reply *smtp)
{
	fill(reply, smtp->code != 0 ? HTTP_BAD_REQUEST : HTTP_SERVICE_UNAVAILABLE, smtp->text);
}

static bool start(struct smtp_client *client, const struct cm_httpd_envelope *envelope,
		  struct smtp_reply *smtp)
{
	if (!smtp_client_mail(client, envelope->sender, smtp))
		return false;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (!smtp_client_recipient(client, envelope->recipients[i], smtp))
			return false;
	}
	return smtp_client_data(client, smtp);
}

static void *begin(const struct cm_httpd_context *context, const struct cm_httpd_envelope *envelope,
		   struct cm_httpd_reply *reply)
{
	struct delivery *delivery;
	struct smtp_reply smtp;

	if (envelope->recipient_count == 0) {
		fill(reply, HTTP_BAD_REQUEST, "501 5.5.4 No X-MAIL-TO");
		return NULL;
	}
	if (envelope->recipient_count > CM_HTTPD_RECIPIENTS_MAX) {
		fill(reply, HTTP_BAD_REQUEST, "452 4.5.3 Too many recipients");
		return NULL;
	}
	delivery = calloc(1, sizeof(*delivery));
	if (delivery == NULL) {
		fill(reply, HTTP_SERVICE_UNAVAILABLE, "451 4.3.0 Out of memory");
		return NULL;
	}
	delivery->client = smtp_client_open(context->config->mxdeliv_port, envelope->peer, &smtp);
	if (delivery->client != NULL && start(delivery->client, envelope, &smtp))
		return delivery;
	refuse(reply, &smtp);
	smtp_client_close(&delivery->client);
	free(delivery);
	return NULL;
}

static void data(void *stream, const char *bytes, size_t length)
{
	struct delivery *delivery = stream;

	/* A broken connection is noticed at the end. */
	smtp_client_write(delivery->client, bytes, length);
}

static void cancel(void *stream)
{
	struct delivery *delivery = stream;

	smtp_client_close(&delivery->client);
	free(delivery);
}

static void end(void *stream, struct cm_httpd_reply *reply)
{
	struct delivery *delivery = stream;
	struct smtp_reply smtp;

	if (smtp_client_end(delivery->client, &smtp))
		fill(reply, reply->status, smtp.text);
	else
		refuse(reply, &smtp);
	cancel(delivery);
}

const struct cm_httpd_stream cm_httpd_mxdeliv = {
    .begin = begin,
    .data = data,
    .end = end,
    .cancel = cancel,
};
