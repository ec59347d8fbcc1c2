#include "examination.h"

#include <stdlib.h>
#include <unistd.h>

const char *cm_doctor_setting(const struct cm_doctor *doctor, const char *name)
{
	const char *value = cm_settings_get(doctor->settings, name);

	return value != NULL ? value : "";
}

unsigned int cm_doctor_port(const struct cm_doctor *doctor, const char *name)
{
	return (unsigned int)strtoul(cm_doctor_setting(doctor, name), NULL, 10);
}

void cm_remedy_service(struct cm_check *check, const char *verb, const char *service)
{
	if (access("/run/systemd/system", F_OK) == 0)
		cm_check_remedy(check, "systemctl %s %s", verb, service);
	else if (access("/run/openrc", F_OK) == 0)
		cm_check_remedy(check, "rc-service %s %s", service, verb);
	else
		cm_check_remedy(check, "%s %s", verb, service);
}
