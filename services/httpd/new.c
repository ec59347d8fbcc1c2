/*
 * new - /new: an account for a client that asks for one
 *
 * POST answers {"email", "password"}, or {"reason"} that the client shows as it is. GET comes from
 * a browser that followed a link or a QR code: it is redirected to the client by the scheme
 * dcaccount:. The invitation's page asks /invite/qr to draw the same link; its token comes in the
 * body, which is never logged.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invitation.h"
#include "log.h"
#include "qr.h"
#include "route.h"
#include "signup.h"

/* Seconds between two log lines about one kind of refusal. */
#define LOG_INTERVAL 60

#define SECONDS_BUSY 120
#define SECONDS_RATE 600

/* The HTTP status of a refusal. */
static const struct {
	unsigned int status;
	unsigned int retry_after;
} refusals[] = {
    [CM_REGISTRATION_REFUSED_CLOSED] = {403, 0},
    [CM_REGISTRATION_REFUSED_INVITE] = {403, 0},
    [CM_REGISTRATION_REFUSED_TOKEN] = {403, 0},
    [CM_REGISTRATION_REFUSED_LOAD] = {503, SECONDS_BUSY},
    [CM_REGISTRATION_REFUSED_MEMORY] = {503, SECONDS_BUSY},
    [CM_REGISTRATION_REFUSED_DISK] = {507, 0},
    [CM_REGISTRATION_REFUSED_RATE] = {429, SECONDS_RATE},
    [CM_REGISTRATION_TROUBLE] = {503, SECONDS_BUSY},
};

/* A flood of refused requests must not become a flood of lines. */
static void log_refusal(enum cm_registration why, const struct cm_error *err)
{
	static _Atomic time_t logged[CM_REGISTRATION_TROUBLE + 1];
	time_t now = time(NULL), before = logged[why];

	if (now - before < LOG_INTERVAL && now >= before)
		return;
	logged[why] = now;
	if (why == CM_REGISTRATION_TROUBLE)
		cm_log(LOG_ERR, "no new account: %s", err->text);
	else
		cm_log(LOG_INFO, "no new account: %s (logged once a minute)",
		       cm_registration_name(why));
}

/* Takes json. */
static void reply_json(struct cm_httpd_reply *reply, json_t *json)
{
	reply->body = json_dumps(json, JSON_COMPACT);
	reply->content_type = "application/json";
	if (reply->body != NULL)
		reply->body_length = strlen(reply->body);
	else
		reply->status = 503;
	json_decref(json);
}

/* ic=3 in a login link makes clients accept self-signed certificates. The password has only
   letters and digits; of the address, brackets and a colon have to be escaped. */
static char *login_link(const struct cm_signup *signup)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_@";
	char escaped[3 * CM_ADDRESS_MAX + 1];
	size_t used = 0;
	char *link;

	for (const char *byte = signup->address.text; *byte != '\0'; byte++)
		used += (size_t)snprintf(escaped + used, sizeof(escaped) - used,
					 strchr(plain, *byte) != NULL ? "%c" : "%%%02X",
					 (unsigned int)(unsigned char)*byte);
	if (asprintf(&link, "dclogin:%s?p=%s&v=1&ic=3", escaped, signup->password) < 0)
		return NULL;
	return link;
}

static json_t *credentials(const struct cm_config *config, const struct cm_signup *signup)
{
	json_t *json =
	    json_pack("{s:s, s:s}", "email", signup->address.text, "password", signup->password);
	char *link;

	if (!config->tls_self_signed)
		return json;
	link = login_link(signup);
	if (link != NULL) {
		json_object_set_new(json, "dclogin_url", json_string(link));
		explicit_bzero(link, strlen(link));
	}
	free(link);
	return json;
}

void cm_httpd_new(const struct cm_httpd_context *context, const struct cm_httpd_request *request,
		  struct cm_httpd_reply *reply)
{
	struct cm_signup signup;
	struct cm_error err = {""};
	enum cm_registration result = cm_signup(context, request, &signup, &err);

	if (result == CM_REGISTRATION_ALLOWED) {
		reply_json(reply, credentials(context->config, &signup));
		cm_log(LOG_INFO, "new account %s", cm_log_address(signup.address.text));
	} else {
		log_refusal(result, &err);
		reply->status = refusals[result].status;
		reply->retry_after = refusals[result].retry_after;
		reply_json(reply, json_pack("{s:s}", "reason", cm_registration_sentence(result)));
	}
	cm_signup_deinit(&signup);
}

/* ":PORT" of a Host field, if it is valid: a test relay may use another port than 443. */
static const char *port_of(const char *host)
{
	const char *colon = strrchr(host, ':');
	size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

	return digits > 0 && digits <= 5 && colon[1 + digits] == '\0' ? colon : "";
}

/* The link that makes an account, malloc'd; NULL if out of memory. From the request only a
 * well-formed port and token are used. */
static char *account_link(const struct cm_httpd_context *context,
			  const struct cm_httpd_request *request, const char *token)
{
	const char *host = context->config->mail_host;
	bool brackets = strchr(host, ':') != NULL, with_token = cm_invitation_token_valid(token);
	char *link;

	if (asprintf(&link, "dcaccount:https://%s%s%s%s/new%s%s", brackets ? "[" : "", host,
		     brackets ? "]" : "", port_of(request->host), with_token ? "?" : "",
		     with_token ? token : "") < 0)
		return NULL;
	return link;
}

void cm_httpd_new_redirect(const struct cm_httpd_context *context,
			   const struct cm_httpd_request *request, struct cm_httpd_reply *reply)
{
	reply->location = account_link(context, request, request->token);
	reply->status = reply->location != NULL ? 301 : 503;
}

void cm_httpd_invite_qr(const struct cm_httpd_context *context,
			const struct cm_httpd_request *request, struct cm_httpd_reply *reply)
{
	char token[CM_INVITATION_TOKEN_LENGTH + 1], *link;

	if (request->body_length != CM_INVITATION_TOKEN_LENGTH) {
		reply->status = 400;
		return;
	}
	memcpy(token, request->body, CM_INVITATION_TOKEN_LENGTH);
	token[CM_INVITATION_TOKEN_LENGTH] = '\0';
	if (!cm_invitation_token_valid(token)) {
		reply->status = 400;
		return;
	}
	link = account_link(context, request, token);
	reply->body = link != NULL ? cm_qr_svg(link, "QR") : NULL;
	reply->content_type = "image/svg+xml";
	if (reply->body != NULL)
		reply->body_length = strlen(reply->body);
	else
		reply->status = 503;
	free(link);
}
