/*
 * backend_outage - backends that did not answer recently
 *
 * A machine without power refuses no connection: each attempt waits for a timeout. If each login
 * waited, those of one dead backend's users would occupy all processes that check logins. So each
 * thread waits once, and then fails at once for CM_BACKEND_OUTAGE seconds.
 */
#ifndef CM_BACKEND_OUTAGE_H
#define CM_BACKEND_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

/* In seconds. */
#define CM_BACKEND_OUTAGE 20

/* now: cm_clock_seconds(). The thread remembers a limited number of hosts. */
void cm_backend_outage_begin(const char *host, int64_t now);

/* True if the thread shall not try this host. */
bool cm_backend_outage_lasts(const char *host, int64_t now);

#endif
