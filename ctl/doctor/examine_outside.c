/*
 * examine_outside - the services that clients and notifications need beside mail: push, TURN, Iroh
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/x509_vfy.h>

#include "dialogue.h"
#include "examination.h"
#include "turn_probe.h"

/* The server is on this machine or near it. */
#define TURN_TIMEOUT_MS 5000

static bool resolve(const char *host, char address_r[64], struct cm_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int result = getaddrinfo(host, NULL, &hints, &list);

	if (result == 0)
		result = getnameinfo(list->ai_addr, list->ai_addrlen, address_r, 64, NULL, 0,
				     NI_NUMERICHOST);
	if (list != NULL)
		freeaddrinfo(list);
	if (result != 0)
		cm_error_set(err, "%s: %s", host, gai_strerror(result));
	return result == 0;
}

/* Host and port of an http:// or https:// URL. */
static bool split_url(const char *url, char host_r[256], unsigned int *port_r, bool *secure_r)
{
	const char *start = strstr(url, "://"), *end;
	size_t length;

	if (start == NULL)
		return false;
	start += 3;
	*secure_r = strncmp(url, "https:", 6) == 0;
	*port_r = *secure_r ? 443 : 80;
	if (*start == '[') {
		start++;
		length = strcspn(start, "]");
		end = start + length + (start[length] == ']');
	} else {
		length = strcspn(start, ":/?");
		end = start + length;
	}
	if (length == 0 || length >= 256)
		return false;
	if (*end == ':')
		*port_r = (unsigned int)strtoul(end + 1, NULL, 10);
	memcpy(host_r, start, length);
	host_r[length] = '\0';
	return true;
}

/* Requests a page of another server, whose certificate must be valid. Returns the status; 0
   with err filled. */
static int get_url(const char *url, const char *path, struct cm_error *err)
{
	char host[256], address[64], line[CM_DIALOGUE_LINE];
	struct cm_dialogue *dialogue;
	unsigned int port;
	int status = 0;
	bool secure;

	if (!split_url(url, host, &port, &secure)) {
		cm_error_set(err, "%s: not a URL", url);
		return 0;
	}
	if (!resolve(host, address, err))
		return 0;
	dialogue = cm_dialogue_tcp(address, port, err);
	if (dialogue == NULL)
		return 0;
	if (secure && !cm_dialogue_tls(dialogue, host, "http/1.1", err))
		status = 0;
	else if (secure && cm_dialogue_verified(dialogue) != X509_V_OK)
		cm_error_set(err, "certificate of %s: %s", host,
			     X509_verify_cert_error_string(cm_dialogue_verified(dialogue)));
	else if (cm_dialogue_say(dialogue, err,
				 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", path,
				 host) &&
		 cm_dialogue_line(dialogue, line, err)) {
		status = strncmp(line, "HTTP/", 5) == 0 ? atoi(line + strcspn(line, " ")) : 0;
		if (status == 0)
			cm_error_set(err, "%s: does not speak HTTP", host);
	}
	cm_dialogue_close(&dialogue);
	return status;
}

void cm_examine_push(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "push", title[] = "push service";
	const char *url = doctor->config->notify_url;
	struct cm_error err;
	int status = get_url(url, "/", &err);
	struct cm_check *check;

	if (status != 0 && status / 100 != 5) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "answers");
		return;
	}
	if (status != 0)
		cm_error_set(&err, "replied %d", status);
	check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s", err.text);
	cm_check_remedy(check, "phones are not woken: check the firewall (port 443 out), the DNS, "
			       "ca-certificates and notify_url");
}

/* --- TURN ----------------------------------------------------------------------------------- */

/* Upstream's daemon returns "USERNAME:PASSWORD" to every client that connects. */
static void examine_daemon(const struct cm_config *config, struct cm_checks *checks)
{
	struct cm_error err;
	struct cm_dialogue *dialogue = cm_dialogue_unix(config->turn_socket_path, &err);
	char line[CM_DIALOGUE_LINE];
	bool good = dialogue != NULL && cm_dialogue_line(dialogue, line, &err);

	cm_dialogue_close(&dialogue);
	if (good && strchr(line, ':') == NULL) {
		cm_error_set(&err, "%s: returns no credentials", config->turn_socket_path);
		good = false;
	}
	if (good)
		cm_checks_add(checks, "turn", "TURN, for calls", CM_HEALTH_GOOD,
			      "chatmail-turn returns credentials");
	else
		cm_remedy_service(cm_checks_add(checks, "turn", "TURN, for calls", CM_HEALTH_FAULT,
						"%s", err.text),
				  "restart", "chatmail-turn");
}

void cm_examine_turn(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "turn", title[] = "TURN, for calls";
	const char *service = access("/etc/alpine-release", F_OK) == 0 ? "turnserver" : "coturn";
	const struct cm_config *config = doctor->config;
	struct cm_turn_finding findings[CM_TURN_ADDRESSES_MAX];
	struct cm_error err;
	size_t count;

	if (config->turn_secret_file[0] == '\0') {
		if (config->turn_socket_path[0] != '\0' &&
		    access(config->turn_socket_path, F_OK) == 0)
			examine_daemon(config, checks);
		else
			cm_checks_add(checks, key, title, CM_HEALTH_OFF,
				      "turn_secret_file is empty");
		return;
	}
	count = cm_turn_check(config, TURN_TIMEOUT_MS, findings, &err);
	if (count == 0)
		cm_remedy_service(
		    cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s", err.text), "restart",
		    service);
	for (size_t i = 0; i < count; i++) {
		if (findings[i].good)
			cm_checks_add(checks, key, title, CM_HEALTH_GOOD,
				      "%s allocates relay addresses", findings[i].address);
		else
			cm_remedy_service(cm_checks_add(checks, key, title, CM_HEALTH_FAULT,
							"%s: %s", findings[i].address,
							findings[i].err.text),
					  "restart", service);
	}
}

/* --- Iroh ----------------------------------------------------------------------------------- */

void cm_examine_iroh(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "iroh", title[] = "iroh-relay";
	const struct cm_config *config = doctor->config;
	char url[64];
	struct cm_check *check;
	struct cm_error err;
	int status;

	if (config->iroh_relay[0] == '\0') {
		cm_checks_add(checks, key, title, CM_HEALTH_OFF, "iroh_relay is empty");
		return;
	}
	if (config->iroh_relay_local)
		snprintf(url, sizeof(url), "http://127.0.0.1:%s",
			 cm_doctor_setting(doctor, "iroh_port"));
	status =
	    get_url(config->iroh_relay_local ? url : config->iroh_relay, "/generate_204", &err);
	if (status / 100 == 2) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "answers");
		return;
	}
	if (status != 0)
		cm_error_set(&err, "replied %d", status);
	/* Clients have another Iroh relay, and only real-time channels need one. */
	check = cm_checks_add(checks, key, title, CM_HEALTH_WARNING, "%s", err.text);
	if (config->iroh_relay_local)
		cm_check_remedy(check,
				"install and start iroh-relay; or set an empty iroh_relay in %s: "
				"clients then use their own",
				config->path);
	else
		cm_check_remedy(check, "check iroh_relay in %s", config->path);
}
