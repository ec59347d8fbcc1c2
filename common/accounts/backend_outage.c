#include "backend_outage.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "backend_list.h"

#define OUTAGES_MAX 32

struct outage {
	char host[CM_BACKEND_HOST_SIZE];
	int64_t end;
};

static _Thread_local struct outage outages[OUTAGES_MAX];

void cm_backend_outage_begin(const char *host, int64_t now)
{
	struct outage *chosen = &outages[0];

	for (size_t i = 0; i < OUTAGES_MAX; i++) {
		if (strcmp(outages[i].host, host) == 0) {
			chosen = &outages[i];
			break;
		}
		if (outages[i].end < chosen->end)
			chosen = &outages[i];
	}
	snprintf(chosen->host, sizeof(chosen->host), "%s", host);
	chosen->end = now + CM_BACKEND_OUTAGE;
}

bool cm_backend_outage_lasts(const char *host, int64_t now)
{
	for (size_t i = 0; i < OUTAGES_MAX; i++)
		if (strcmp(outages[i].host, host) == 0)
			return now < outages[i].end;
	return false;
}
