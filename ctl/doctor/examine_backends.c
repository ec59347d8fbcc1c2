/*
 * examine_backends - on a front: whether each backend replies
 */
#include <stdlib.h>

#include "backend_client.h"
#include "backends.h"
#include "examination.h"
#include "ports.h"

static void examine_backend(const struct cm_doctor *doctor, const char *host,
			    struct cm_checks *checks)
{
	static const char key[] = "backend";
	struct cm_error err = {""};
	struct cm_check *check;
	char *nobody;

	if (asprintf(&nobody, CM_PORT_NOBODY "@%s", doctor->config->mail_domain) < 0)
		return;
	if (cm_backend_has(host, nobody, &err) != CM_ACCOUNT_TROUBLE) {
		cm_checks_add(checks, key, host, CM_HEALTH_GOOD, "its LMTP replies");
	} else {
		check = cm_checks_add(checks, key, host, CM_HEALTH_FAULT, "%s", err.text);
		cm_check_remedy(
		    check, "on %s: chatmailctl status; there, fronts must list this machine", host);
	}
	free(nobody);
}

void cm_examine_backends(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	char(*hosts)[CM_BACKEND_HOST_SIZE];
	size_t count;
	int best;

	if (!cm_backends_used(doctor->config))
		return;
	hosts = calloc(CM_BACKENDS_MAX, sizeof(*hosts));
	if (hosts == NULL) {
		checks->incomplete = true;
		return;
	}
	count = cm_backend_list_rank(doctor->config->backends, "", hosts, CM_BACKENDS_MAX, &best);
	for (size_t i = 0; i < count; i++)
		examine_backend(doctor, hosts[i], checks);
	if (best < 0)
		cm_checks_add(checks, "backends", "backends", CM_HEALTH_FAULT,
			      "no backend accepts new accounts: each has '-' before it");
	free(hosts);
}
