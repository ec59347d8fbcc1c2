#include "listener.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "self_check.h"
#include "session.h"
#include "worker_wakeup.h"

/* Postfix opens a connection for each SMTP session; further ones wait briefly. */
#define BACKLOG 1024

static const char *unix_path; /* NULL: an Internet socket */
static struct cm_worker_wakeup_address own_address;
static void (*report_end)(void);

/* Replaces the C library's function, which only libmilter's signal thread calls. It is not
   enough that the main thread never blocks a signal: pthread_create() blocks all of them for a
   moment, and the kernel skips a thread that has not run yet since its last signal. */
int sigwait(const sigset_t *set, int *number_r)
{
	(void)set;
	(void)number_r;
	for (;;)
		pause();
}

const char *cm_listener_path(const char *socket)
{
	if (strncmp(socket, "unix:", 5) == 0)
		return socket + 5;
	if (strncmp(socket, "local:", 6) == 0)
		return socket + 6;
	return strncmp(socket, "inet:", 5) == 0 || strncmp(socket, "inet6:", 6) == 0 ? NULL
										     : socket;
}

static bool find_unix_address(struct cm_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(unix_path) >= sizeof(address.sun_path)) {
		cm_error_set(err, "socket %s: the path is too long", unix_path);
		return false;
	}
	memcpy(address.sun_path, unix_path, strlen(unix_path));
	memcpy(&own_address.storage, &address, sizeof(address));
	own_address.length = sizeof(address);
	return true;
}

/* The socket in libmilter's form. With musl libmilter resolves names to IPv4 only, so it gets
   a numeric address in brackets. */
static char libmilter_socket[sizeof("inet6:65535@[]") + INET6_ADDRSTRLEN];

static bool name_for_libmilter(struct cm_error *err)
{
	char host[INET6_ADDRSTRLEN], port[sizeof("65535")];
	const struct sockaddr *address = (const struct sockaddr *)&own_address.storage;

	if (getnameinfo(address, own_address.length, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		cm_error_set(err, "cannot print the socket's address");
		return false;
	}
	snprintf(libmilter_socket, sizeof(libmilter_socket), "%s:%s@[%s]",
		 address->sa_family == AF_INET6 ? "inet6" : "inet", port, host);
	return true;
}

/* socket is inet:PORT, inet:PORT@HOST or inet:PORT@[HOST], or the same with inet6; without a
   host it listens on every address of the machine, including loopback. */
static bool find_internet_address(const char *socket, struct cm_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	char *port = strdup(strchr(socket, ':') + 1), *host;
	bool has_host;
	int error;

	if (port == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	hints.ai_family = strncmp(socket, "inet6:", 6) == 0 ? AF_INET6 : AF_INET;
	host = strchr(port, '@');
	has_host = host != NULL;
	if (has_host) {
		*host++ = '\0';
		host += *host == '[';
		host[strcspn(host, "]")] = '\0';
	}
	error = getaddrinfo(host, port, &hints, &found);
	free(port);
	if (error != 0) {
		cm_error_set(err, "socket %s: %s", socket, gai_strerror(error));
		return false;
	}
	memcpy(&own_address.storage, found->ai_addr, found->ai_addrlen);
	own_address.length = found->ai_addrlen;
	freeaddrinfo(found);
	return !has_host || name_for_libmilter(err);
}

static bool find_owner(const struct cm_listener_options *options, uid_t *uid_r, gid_t *gid_r,
		       struct cm_error *err)
{
	*uid_r = (uid_t)-1;
	*gid_r = (gid_t)-1;
	if (options->user != NULL && geteuid() == 0) {
		const struct passwd *user = getpwnam(options->user);

		if (user == NULL) {
			cm_error_set(err, "user %s: does not exist", options->user);
			return false;
		}
		*uid_r = user->pw_uid;
	}
	if (options->group != NULL) {
		const struct group *group = getgrnam(options->group);

		if (group == NULL) {
			cm_error_set(err, "group %s: does not exist", options->group);
			return false;
		}
		*gid_r = group->gr_gid;
	}
	return true;
}

static bool give_socket(const struct cm_listener_options *options, struct cm_error *err)
{
	uid_t uid;
	gid_t gid;

	if (!find_owner(options, &uid, &gid, err))
		return false;
	/* A sandbox may forbid even a call that changes nothing. */
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return true;
	/* The directory may belong to the user, who may have replaced the name by a link to a
	   file of root's. */
	if (lchown(unix_path, uid, gid) != 0) {
		cm_error_set_errno(err, "%s: cannot set the owner", unix_path);
		return false;
	}
	return true;
}

bool cm_listener_open(const struct cm_listener_options *options, struct cm_error *err)
{
	char *socket;
	mode_t mask;
	int opened;

	unix_path = cm_listener_path(options->socket);
	if (!(unix_path != NULL ? find_unix_address(err)
				: find_internet_address(options->socket, err)))
		return false;
	if (unix_path != NULL && cm_worker_wakeup_knock(&own_address)) {
		cm_error_set(err, "socket %s: another process listens there", unix_path);
		return false;
	}
	socket = libmilter_socket[0] != '\0' ? libmilter_socket : (char *)options->socket;
	if (smfi_register(*cm_session_filter()) != MI_SUCCESS ||
	    smfi_setconn(socket) != MI_SUCCESS || smfi_setbacklog(BACKLOG) != MI_SUCCESS) {
		cm_error_set(err, "libmilter rejected socket %s", options->socket);
		return false;
	}
	mask = umask(~options->mode & 0777);
	opened = smfi_opensocket(true);
	umask(mask);
	if (opened != MI_SUCCESS) {
		cm_error_set_errno(err, "cannot listen on %s", options->socket);
		return false;
	}
	return unix_path == NULL || give_socket(options, err);
}

static void *serve(void *unused)
{
	(void)unused;
	smfi_main();
	report_end();
	return NULL;
}

bool cm_listener_start(void (*on_end)(void), struct cm_error *err)
{
	pthread_t thread;
	int error;

	if (!cm_worker_wakeup_start(&own_address, err))
		return false;
	report_end = on_end;
	error = pthread_create(&thread, NULL, serve, NULL);
	if (error == 0) {
		pthread_detach(thread);
		return true;
	}
	errno = error;
	cm_error_set_errno(err, "cannot start a thread");
	return false;
}

bool cm_listener_answers(int milliseconds)
{
	return cm_self_check_answers(&own_address, milliseconds);
}

void cm_listener_close(void)
{
	if (unix_path != NULL)
		unlink(unix_path);
}
