/*
 * supervisor - reports to the service manager that started the program (sd_notify(3))
 *
 * The protocol is one datagram to the Unix socket in NOTIFY_SOCKET, so libsystemd is not needed.
 * Without that variable nothing is sent.
 */
#ifndef CM_SUPERVISOR_H
#define CM_SUPERVISOR_H

/* Sends a state: "READY=1", "WATCHDOG=1". Failures are ignored: the service manager notices. */
void cm_supervisor_notify(const char *state);

/* The period of "WATCHDOG=1" in milliseconds: half of the time that the service manager allows
   (WATCHDOG_USEC), at least 100. otherwise: returned if no watchdog is set. */
int cm_supervisor_watchdog(int otherwise);

#endif
