/*
 * fuzz_session - libmilter's callbacks in any order, as no mail server should call them
 *
 * The smfi_ functions here take the place of libmilter, which allows fewer orders. Each byte of
 * the input is a callback and its argument. A message is accepted only if it went through all
 * steps since its MAIL FROM, and only then the header is changed.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "log.h"
#include "mailboxes.h"
#include "runtime.h"
#include "session.h"

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			  "-----END PRIVATE KEY-----\n";

static const char *const senders[] = {"<alice@relay.test>", "<>", "<x@[192.0.2.1]>"};
static const char *const recipients[] = {TEST_MAILBOX, "<nobody@relay.test>", "<x@peer.test>"};

static const struct {
	const char *name, *value;
} fields[] = {
    {"From", " <alice@relay.test>"},
    {"From", " Mail <mailer-daemon@[192.0.2.1]>"},
    {"MIME-Version", " 1.0"},
    {"Content-Type", " multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b"},
    {"Content-Type", " multipart/mixed; boundary=b"},
    {"Subject", " noon"},
    {"Secure-Join", " vc-request"},
    {"Auto-Submitted", " auto-replied"},
};

static const char *const lines[] = {
    "--b\r\n",
    "--b--\r\n",
    "Content-Type: text/plain\r\n\r\nsecure-join: vc-request\r\n",
    "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n",
    "Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n",
    "0kABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
    "AAAAAAAAAAAAAAAAAAAA\r\n-----END PGP MESSAGE-----\r\n",
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* What the session has seen and done since the last MAIL FROM. */
static struct {
	void *private;
	const char *login, *daemon;
	bool mail, internal, recipient, end_of_headers, end_of_message, replied;
} state;

void *smfi_getpriv(SMFICTX *context)
{
	(void)context;
	return state.private;
}

int smfi_setpriv(SMFICTX *context, void *private)
{
	(void)context;
	state.private = private;
	return MI_SUCCESS;
}

char *smfi_getsymval(SMFICTX *context, char *name)
{
	(void)context;
	if (strcmp(name, "{auth_authen}") == 0)
		return (char *)state.login;
	return strcmp(name, "{daemon_name}") == 0 ? (char *)state.daemon : NULL;
}

int smfi_setsymlist(SMFICTX *context, int where, char *macros)
{
	(void)context;
	(void)where;
	(void)macros;
	return MI_SUCCESS;
}

int smfi_setreply(SMFICTX *context, char *code, char *enhanced, char *text)
{
	(void)context;
	require(code[0] == '4' || code[0] == '5');
	require(enhanced == NULL || enhanced[0] == code[0]);
	for (const char *c = text; *c != '\0'; c++)
		require(*c >= ' ' && *c < 0x7f);
	state.replied = true;
	return MI_SUCCESS;
}

int smfi_insheader(SMFICTX *context, int index, char *name, char *value)
{
	(void)context;
	require(state.end_of_message && index == 0 && strcmp(name, "DKIM-Signature") == 0);
	require(*value != '\0');
	return MI_SUCCESS;
}

int smfi_chgheader(SMFICTX *context, char *name, int index, char *value)
{
	(void)context;
	(void)value;
	require(state.end_of_message && state.login != NULL && *name != '\0' && index > 0);
	return MI_SUCCESS;
}

int smfi_chgfrom(SMFICTX *context, char *address, char *arguments)
{
	(void)context;
	require(state.end_of_message && strcmp(address, "<>") == 0 && arguments == NULL);
	return MI_SUCCESS;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	require(file != NULL);
	require(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void load_runtime(void)
{
	char directory[] = "/tmp/fuzz_session.XXXXXX", ini[64], key[64], text[1024];
	struct cm_error err;

	require(mkdtemp(directory) != NULL);
	snprintf(ini, sizeof(ini), "%s/chatmail.ini", directory);
	snprintf(key, sizeof(key), "%s/opendkim.private", directory);
	snprintf(text, sizeof(text),
		 "[params]\nmail_domain = relay.test\nmailboxes_dir = %s\nresolver = 127.0.0.1@1\n"
		 "dkim_keys_dir = %s\nrun_dir = %s/none\nmax_user_send_per_minute = 1000000\n"
		 "max_user_send_burst_size = 1000000\nmaxsmtprecipients = 3\n",
		 test_mailboxes(), directory, directory);
	write_file(ini, text);
	write_file(key, pem);
	require(cm_runtime_load(ini, NULL, NULL, &err));
	unlink(ini);
	unlink(key);
	rmdir(directory);
}

static sfsistat open_connection(const struct smfiDesc *filter, unsigned int what)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = what & 1 ? htons(9) : 0};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	state.daemon = what & 2 ? "ORIGINATING" : NULL;
	return filter->xxfi_connect(NULL, (char *)"localhost",
				    what & 4 ? NULL : (struct sockaddr *)&address);
}

static sfsistat begin(const struct smfiDesc *filter, unsigned int what)
{
	char *arguments[] = {(char *)senders[(what >> 1) % COUNT(senders)], NULL};

	state.login = what & 1 ? "alice@relay.test" : NULL;
	state.mail = true;
	state.internal = state.daemon != NULL;
	state.recipient = state.end_of_headers = false;
	return filter->xxfi_envfrom(NULL, arguments);
}

static sfsistat end(const struct smfiDesc *filter)
{
	sfsistat status;

	state.end_of_message = true;
	status = filter->xxfi_eom(NULL);
	state.end_of_message = false;
	if (status == SMFIS_CONTINUE) {
		require(state.mail);
		/* Postfix's own messages, without a client, are not judged. */
		require(state.internal || state.end_of_headers);
		require(state.internal || state.login != NULL || state.recipient);
	}
	state.mail = false;
	return status;
}

static sfsistat step(const struct smfiDesc *filter, unsigned int byte)
{
	const unsigned int what = byte >> 3;
	const char *line = lines[what % COUNT(lines)];
	char *arguments[] = {(char *)recipients[what % COUNT(recipients)], NULL};

	switch (byte & 7) {
	case 0:
		return open_connection(filter, what);
	case 1:
		return begin(filter, what);
	case 2:
		state.recipient = true;
		return filter->xxfi_envrcpt(NULL, arguments);
	case 3:
		return filter->xxfi_header(NULL, (char *)fields[what % COUNT(fields)].name,
					   (char *)fields[what % COUNT(fields)].value);
	case 4:
		state.end_of_headers = true;
		return filter->xxfi_eoh(NULL);
	case 5:
		return filter->xxfi_body(NULL, (unsigned char *)line, strlen(line));
	case 6:
		return end(filter);
	default:
		state.mail = what & 1 ? state.mail : false;
		return what & 1 ? filter->xxfi_close(NULL) : filter->xxfi_abort(NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct smfiDesc *filter = cm_session_filter();
	static bool loaded;

	if (!loaded) {
		cm_log_init("fuzz_session", CM_LOG_SYSLOG);
		load_runtime();
		loaded = true;
	}
	memset(&state, 0, sizeof(state));
	for (size_t i = 0; i < size; i++) {
		sfsistat status;

		state.replied = false;
		status = step(filter, data[i]);
		require(status == SMFIS_CONTINUE || status == SMFIS_NOREPLY ||
			status == SMFIS_REJECT || status == SMFIS_TEMPFAIL);
		/* A rejection says why. */
		require(status != SMFIS_REJECT || state.replied);
	}
	filter->xxfi_close(NULL);
	require(state.private == NULL);
	return 0;
}
