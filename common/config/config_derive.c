#include "config_derive.h"

#include <arpa/inet.h>
#include <string.h>

#include "config_keys.h"
#include "config_value.h"

/* "192.0.2.1" and "[192.0.2.1]" are the same relay; its addresses have the brackets. */
static bool derive_domain(struct cm_config *config)
{
	struct in6_addr ipv6;
	char *domain = config->mail_domain;
	size_t length = strlen(domain);

	for (char *byte = domain; *byte != '\0'; byte++)
		if (*byte >= 'A' && *byte <= 'Z')
			*byte = (char)(*byte - 'A' + 'a');
	config->mail_domain_is_ip = domain[0] == '[' || cm_value_is_ip(domain, length);
	if (domain[0] == '[') {
		size_t skip = strncmp(domain, "[ipv6:", 6) == 0 ? 6 : 1;

		return cm_config_print(&config->mail_host, "%.*s", (int)(length - skip - 1),
				       domain + skip);
	}
	if (!cm_config_print(&config->mail_host, "%s", domain))
		return false;
	if (!config->mail_domain_is_ip)
		return true;
	return cm_config_print(&config->mail_domain,
			       inet_pton(AF_INET6, config->mail_host, &ipv6) == 1 ? "[ipv6:%s]"
										  : "[%s]",
			       config->mail_host);
}

/* Upstream's paths. */
static bool derive_tls(struct cm_config *config)
{
	const char *host = config->mail_host;

	if (config->tls_certificate != NULL)
		return true;
	config->tls_self_signed = config->mail_domain_is_ip || config->mail_domain[0] == '_';
	if (config->tls_self_signed)
		return cm_config_print(&config->tls_certificate, "/etc/ssl/certs/mailserver.pem") &&
		       cm_config_print(&config->tls_key, "/etc/ssl/private/mailserver.key");
	return cm_config_print(&config->tls_certificate, "/var/lib/acme/live/%s/fullchain", host) &&
	       cm_config_print(&config->tls_key, "/var/lib/acme/live/%s/privkey", host);
}

bool cm_config_derive(struct cm_config *config, struct cm_error *err)
{
	bool good = derive_domain(config);
	size_t length;

	if (config->iroh_relay == NULL) {
		config->iroh_relay_local = true;
		/* RFC 3986 3.2.2: an IPv6 address has brackets in a URL. */
		good =
		    good && cm_config_print(&config->iroh_relay,
					    strchr(config->mail_host, ':') != NULL ? "https://[%s]"
										   : "https://%s",
					    config->mail_host);
	}
	/* Clients end this part at the first colon. The default may contain one: then nothing
	   is announced. */
	if (config->turn_host != NULL && strchr(config->turn_host, ':') != NULL &&
	    strcmp(config->turn_host, config->mail_host) != 0) {
		cm_error_set(err, "%s: turn_host = %s: this must be a name or an IPv4 address",
			     config->path, config->turn_host);
		return false;
	}
	if (config->turn_host == NULL || config->turn_host[0] == '\0')
		good = good && cm_config_print(&config->turn_host, "%s", config->mail_host);
	if (config->run_dir[0] == '\0')
		good = good && cm_config_print(&config->run_dir, "%s", CM_RUN_DIR);
	if (config->mailboxes_dir == NULL || config->mailboxes_dir[0] == '\0')
		good = good && cm_config_print(&config->mailboxes_dir, "/home/vmail/mail/%s",
					       config->mail_host);
	good = good && derive_tls(config);
	/* Clients accept test relays, whose domain begins with '_', nevertheless. */
	config->login_links = config->dclogin_parameters[0] != '\0' ||
			      (config->tls_self_signed && config->mail_domain_is_ip);
	if (!good) {
		cm_error_set(err, "out of memory");
		return false;
	}
	length = strlen(config->mailboxes_dir);
	while (length > 1 && config->mailboxes_dir[length - 1] == '/')
		config->mailboxes_dir[--length] = '\0';
	return true;
}
