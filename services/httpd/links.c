#include "links.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Percent-encodes all bytes except plain ones; escaped has room for three times the text and a
   NUL. */
static void escape(const char *text, char *escaped)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_@";

	*escaped = '\0';
	for (; *text != '\0'; text++)
		escaped += sprintf(escaped, strchr(plain, *text) != NULL ? "%c" : "%%%02X",
				   (unsigned int)(unsigned char)*text);
}

/* Parameters that the operator did not set, malloc'd: ic=3 makes clients accept any
   certificate; with an address in brackets clients do not search for servers themselves. */
static char *own_parameters(const struct cm_config *config)
{
	char host[3 * INET6_ADDRSTRLEN + 1], *text;

	if (!config->mail_domain_is_ip || config->dclogin_parameters[0] != '\0')
		return strdup(config->tls_self_signed ? "&ic=3" : "");
	escape(config->mail_host, host);
	if (asprintf(&text, "&ih=%s&sh=%s%s", host, host, config->tls_self_signed ? "&ic=3" : "") <
	    0)
		return NULL;
	return text;
}

char *cm_link_login(const struct cm_config *config, const struct cm_address *address,
		    const char *password)
{
	const char *parameters = config->dclogin_parameters;
	char escaped[3 * CM_ADDRESS_MAX + 1], *own = own_parameters(config), *link = NULL;

	escape(address->text, escaped);
	if (own == NULL || asprintf(&link, "dclogin:%s?p=%s&v=1%s%s%s", escaped, password, own,
				    parameters[0] != '\0' ? "&" : "", parameters) < 0)
		link = NULL;
	free(own);
	return link;
}

/* ":PORT" of a Host field, if it is valid: a test relay may use another port than 443. */
static const char *port_of(const char *host)
{
	const char *colon = strrchr(host, ':');
	size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

	return digits > 0 && digits <= 5 && colon[1 + digits] == '\0' ? colon : "";
}

char *cm_link_account(const struct cm_config *config, const char *host_field, const char *token)
{
	const char *host = config->mail_host;
	bool brackets = strchr(host, ':') != NULL, with_token = cm_invitation_token_valid(token);
	char *link;

	if (asprintf(&link, "dcaccount:https://%s%s%s%s/new%s%s", brackets ? "[" : "", host,
		     brackets ? "]" : "", port_of(host_field), with_token ? "?" : "",
		     with_token ? token : "") < 0)
		return NULL;
	return link;
}

bool cm_link_token(const char *body, size_t length, char token_r[CM_INVITATION_TOKEN_LENGTH + 1])
{
	if (length != CM_INVITATION_TOKEN_LENGTH)
		return false;
	memcpy(token_r, body, length);
	token_r[length] = '\0';
	return cm_invitation_token_valid(token_r);
}
