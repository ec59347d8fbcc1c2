#include "turn_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stun.h"
#include "turn_login.h"

/* IANA's number of UDP in REQUESTED-TRANSPORT. */
#define UDP 17

/* Time until a request is sent once more: UDP loses some (RFC 8489 6.2.1). */
#define RETRY_MS 500

/* Seconds for which a login must last. */
#define LOGIN_SECONDS 60

#define TEXT_SIZE 256

#define UNAUTHORIZED 401

struct probe {
	int fd;
	unsigned int timeout_ms;
	const struct cm_turn_login *login;
	char realm[TEXT_SIZE], nonce[TEXT_SIZE];
	unsigned char key[CM_STUN_KEY_SIZE];
	struct cm_stun_message request, answer;
	struct cm_error *err;
};

/* Sends the request until a reply arrives. */
static bool exchange(struct probe *probe)
{
	unsigned int waited = 0;

	while (waited < probe->timeout_ms) {
		struct pollfd ready = {.fd = probe->fd, .events = POLLIN};
		ssize_t length;

		if (send(probe->fd, probe->request.data, probe->request.length, 0) < 0)
			break;
		while (poll(&ready, 1, RETRY_MS) > 0) {
			length = recv(probe->fd, probe->answer.data, CM_STUN_MAX, 0);
			if (length < 0) {
				cm_error_set_errno(probe->err, "cannot connect");
				return false;
			}
			probe->answer.length = (size_t)length;
			if (cm_stun_answers(&probe->answer, &probe->request))
				return true;
		}
		waited += RETRY_MS;
	}
	cm_error_set(probe->err, "no reply on UDP port %d", CM_TURN_PORT);
	return false;
}

static bool take_text(const struct cm_stun_message *message, enum cm_stun_attribute type,
		      char text_r[TEXT_SIZE])
{
	size_t length;
	const unsigned char *value = cm_stun_find(message, type, &length);

	if (value == NULL || length >= TEXT_SIZE || memchr(value, '\0', length) != NULL)
		return false;
	memcpy(text_r, value, length);
	text_r[length] = '\0';
	return true;
}

/* Sends a request with our login, for which a nonce of the server is needed first. */
static bool request(struct probe *probe)
{
	cm_stun_add(&probe->request, CM_STUN_USERNAME, probe->login->username,
		    strlen(probe->login->username));
	cm_stun_add(&probe->request, CM_STUN_REALM, probe->realm, strlen(probe->realm));
	cm_stun_add(&probe->request, CM_STUN_NONCE, probe->nonce, strlen(probe->nonce));
	cm_stun_sign(&probe->request, probe->key);
	return exchange(probe);
}

static bool begin(struct probe *probe, enum cm_stun_type type)
{
	if (cm_stun_begin(&probe->request, type))
		return true;
	cm_error_set(probe->err, "cannot get random numbers");
	return false;
}

static bool begin_allocate(struct probe *probe)
{
	const unsigned char transport[4] = {UDP};

	if (!begin(probe, CM_STUN_ALLOCATE))
		return false;
	cm_stun_add(&probe->request, CM_STUN_REQUESTED_TRANSPORT, transport, sizeof(transport));
	return true;
}

/* The first reply is a refusal with the realm and nonce for a login. */
static bool ask_for_nonce(struct probe *probe)
{
	if (!begin_allocate(probe) || !exchange(probe))
		return false;
	if (cm_stun_type(&probe->answer) == CM_STUN_ALLOCATE + CM_STUN_SUCCESS) {
		cm_error_set(probe->err, "relays for everybody: it requested no login");
		return false;
	}
	if (cm_stun_error(&probe->answer) != UNAUTHORIZED ||
	    !take_text(&probe->answer, CM_STUN_REALM, probe->realm) ||
	    !take_text(&probe->answer, CM_STUN_NONCE, probe->nonce)) {
		cm_error_set(probe->err, "error %u instead of a request for a login",
			     cm_stun_error(&probe->answer));
		return false;
	}
	if (cm_stun_key(probe->login->username, probe->realm, probe->login->password, probe->key))
		return true;
	cm_error_set(probe->err, "cannot compute a key for it");
	return false;
}

static bool allocate(struct probe *probe)
{
	size_t length;

	if (!begin_allocate(probe) || !request(probe))
		return false;
	if (cm_stun_type(&probe->answer) != CM_STUN_ALLOCATE + CM_STUN_SUCCESS) {
		unsigned int code = cm_stun_error(&probe->answer);

		cm_error_set(probe->err,
			     code == UNAUTHORIZED
				 ? "refuses our login: it has another secret, or its clock is wrong"
				 : "allocates no address: error %u",
			     code);
		return false;
	}
	if (cm_stun_verify(&probe->answer, probe->key) &&
	    cm_stun_find(&probe->answer, CM_STUN_XOR_RELAYED_ADDRESS, &length) != NULL)
		return true;
	cm_error_set(probe->err, "allocates no address that is signed with our secret");
	return false;
}

static bool loopback_is_refused(struct probe *probe)
{
	const struct sockaddr_in loopback = {.sin_family = AF_INET,
					     .sin_port = htons(53),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (!begin(probe, CM_STUN_CREATE_PERMISSION))
		return false;
	cm_stun_add_address(&probe->request, CM_STUN_XOR_PEER_ADDRESS,
			    (const struct sockaddr *)&loopback);
	if (!request(probe))
		return false;
	if (cm_stun_type(&probe->answer) == CM_STUN_CREATE_PERMISSION + CM_STUN_ERROR)
		return true;
	cm_error_set(probe->err,
		     "relays to 127.0.0.1, and so to all services that trust their own machine");
	return false;
}

static void give_back(struct probe *probe)
{
	const unsigned char lifetime[4] = {0};

	if (!begin(probe, CM_STUN_REFRESH))
		return;
	cm_stun_add(&probe->request, CM_STUN_LIFETIME, lifetime, sizeof(lifetime));
	(void)request(probe);
}

/* False with err filled if the server does not reply, refuses, or relays to its loopback
   address. */
static bool probe_server(const struct sockaddr *server, socklen_t length,
			 const struct cm_turn_login *login, unsigned int timeout_ms,
			 struct cm_error *err)
{
	struct cm_error ignored;
	struct probe probe = {.timeout_ms = timeout_ms, .login = login, .err = err};
	bool good = false;

	probe.fd = socket(server->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (probe.fd < 0 || connect(probe.fd, server, length) < 0) {
		cm_error_set_errno(err, "cannot connect");
	} else if (ask_for_nonce(&probe) && allocate(&probe)) {
		good = loopback_is_refused(&probe);
		probe.err = &ignored;
		give_back(&probe);
	}
	if (probe.fd >= 0)
		close(probe.fd);
	explicit_bzero(probe.key, sizeof(probe.key));
	return good;
}

size_t cm_turn_check(const struct cm_config *config, unsigned int timeout_ms,
		     struct cm_turn_finding findings_r[CM_TURN_ADDRESSES_MAX], struct cm_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct cm_turn_login login;
	struct addrinfo *list;
	char port[8];
	size_t count = 0;
	int error;

	if (!cm_turn_login_make(config->turn_secret_file, time(NULL) + LOGIN_SECONDS, &login, err))
		return 0;
	snprintf(port, sizeof(port), "%d", CM_TURN_PORT);
	error = getaddrinfo(config->turn_host, port, &hints, &list);
	if (error != 0) {
		cm_error_set(err, "turn_host = %s: %s", config->turn_host, gai_strerror(error));
		return 0;
	}
	for (const struct addrinfo *item = list; item != NULL && count < CM_TURN_ADDRESSES_MAX;
	     item = item->ai_next) {
		struct cm_turn_finding *finding = &findings_r[count++];

		*finding = (struct cm_turn_finding){.good = false};
		if (getnameinfo(item->ai_addr, item->ai_addrlen, finding->address,
				sizeof(finding->address), NULL, 0, NI_NUMERICHOST) != 0)
			strcpy(finding->address, "?");
		finding->good = probe_server(item->ai_addr, item->ai_addrlen, &login, timeout_ms,
					     &finding->err);
	}
	freeaddrinfo(list);
	explicit_bzero(&login, sizeof(login));
	return count;
}
