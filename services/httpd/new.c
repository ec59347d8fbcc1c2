/*
 * new - /new: create an account for a client
 *
 * POST returns {"email", "password"}, or {"reason"}, which the client shows unchanged. GET comes
 * from a browser that followed a link or a QR code: it is redirected to the client by the scheme
 * dcaccount:. Clients send no request to a relay whose certificate they do not accept; there,
 * links log in instead. The invitation's page requests the same link as a QR code from
 * /invite/qr; its token is in the body, because logs do not contain the body.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "credentials.h"
#include "invitation.h"
#include "links.h"
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

/* Takes over json. */
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

/* Wipes and frees. */
static void forget(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static json_t *credentials(const struct cm_config *config, const struct cm_signup *signup)
{
	json_t *json =
	    json_pack("{s:s, s:s}", "email", signup->address.text, "password", signup->password);
	char *link;

	if (!config->tls_self_signed && !config->login_links)
		return json;
	link = cm_link_login(config, &signup->address, signup->password);
	if (link != NULL)
		json_object_set_new(json, "dclogin_url", json_string(link));
	forget(link);
	return json;
}

static void refuse(struct cm_httpd_reply *reply, unsigned int status, const char *sentence)
{
	reply->status = status;
	reply_json(reply, json_pack("{s:s}", "reason", sentence));
}

void cm_httpd_new(const struct cm_httpd_context *context, const struct cm_httpd_request *request,
		  struct cm_httpd_reply *reply)
{
	struct cm_signup signup;
	struct cm_error err = {""};
	enum cm_registration result;

	/* Otherwise any page could have its visitors' browsers fill the relay. */
	if (request->cross_site) {
		refuse(reply, 403,
		       "This request came from a page of another site. Please use this relay's "
		       "own page.");
		return;
	}
	result = cm_signup(context, request, &signup, &err);
	if (result == CM_REGISTRATION_ALLOWED) {
		reply_json(reply, credentials(context->config, &signup));
		cm_log(LOG_INFO, "new account %s", cm_log_address(signup.address.text));
	} else {
		log_refusal(result, &err);
		reply->retry_after = refusals[result].retry_after;
		refuse(reply, refusals[result].status, cm_registration_sentence(result));
	}
	cm_signup_deinit(&signup);
}

/* A link with unused credentials: the first login creates the account. So a browser that only
   opens the link creates none. NULL on failure. */
static char *invented_link(const struct cm_config *config)
{
	struct cm_address address;
	struct cm_error err;
	char *password = cm_credentials_password(config, &err), *link = NULL;

	if (password != NULL && cm_credentials_address(config, &address, &err))
		link = cm_link_login(config, &address, password);
	forget(password);
	return link;
}

/* Where clients cannot request accounts: the link that logs in, the page that requests one with the
   token, or the start page, which says who can have an account. */
static char *login_redirect(const struct cm_config *config, const char *token)
{
	char *path;

	if (config->registration == CM_REGISTRATION_OPEN)
		return invented_link(config);
	if (!cm_invitation_token_valid(token))
		return strdup("/");
	if (asprintf(&path, "/invite#%s", token) < 0)
		return NULL;
	return path;
}

void cm_httpd_new_redirect(const struct cm_httpd_context *context,
			   const struct cm_httpd_request *request, struct cm_httpd_reply *reply)
{
	bool logs_in = context->config->login_links;

	reply->location = logs_in ? login_redirect(context->config, request->token)
				  : cm_link_account(context->config, request->host, request->token);
	reply->status = reply->location == NULL ? 503 : logs_in ? 303 : 301;
}

/* Takes over link, which may be NULL. */
static void reply_qr(struct cm_httpd_reply *reply, char *link)
{
	reply->body = link != NULL ? cm_qr_svg(link, "QR") : NULL;
	reply->content_type = "image/svg+xml";
	if (reply->body != NULL)
		reply->body_length = strlen(reply->body);
	else
		reply->status = 503;
	forget(link);
}

void cm_httpd_new_qr(const struct cm_httpd_context *context, const struct cm_httpd_request *request,
		     struct cm_httpd_reply *reply)
{
	const struct cm_config *config = context->config;

	(void)request;
	if (config->login_links && config->registration == CM_REGISTRATION_OPEN)
		reply_qr(reply, invented_link(config));
	else
		reply->status = 404;
}

void cm_httpd_invite_qr(const struct cm_httpd_context *context,
			const struct cm_httpd_request *request, struct cm_httpd_reply *reply)
{
	char token[CM_INVITATION_TOKEN_LENGTH + 1];

	if (!cm_link_token(request->body, request->body_length, token)) {
		reply->status = 400;
		return;
	}
	reply_qr(reply, cm_link_account(context->config, request->host, token));
}
