/*
 * config - chatmail.ini: upstream's keys and defaults, and a few additional ones
 *
 * The file is upstream's (chatmail/relay, section [params]): an operator who moves from
 * upstream's relay keeps it. An unknown key causes a warning, a bad value an error that names
 * file, line, key and value. chatmail.ini(5) explains the keys; this header describes their
 * values in the program.
 */
#ifndef CM_CONFIG_H
#define CM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define CM_CONFIG_DEFAULT_PATH "/etc/chatmail.ini"

/* The environment variable with the path of chatmail.ini, for the Dovecot plugins. */
#define CM_CONFIG_ENVIRONMENT "CHATMAIL_INI"

/* While this file exists, no accounts are created. The name is upstream's. */
#define CM_NOCREATE_FILE "/etc/chatmail-nocreate"

enum cm_registration_mode {
	CM_REGISTRATION_OPEN,
	CM_REGISTRATION_INVITE,
	CM_REGISTRATION_CLOSED,
};

/* How mail is sent to other relays: see chatmail-transport(8). */
enum cm_outbound {
	CM_OUTBOUND_AUTO,  /* over HTTPS to relays that accept it, otherwise by SMTP */
	CM_OUTBOUND_SMTP,  /* by SMTP only */
	CM_OUTBOUND_HTTPS, /* over HTTPS only, from a network without port 25 */
};

/* The domains with which mail is exchanged: see federation.h. */
enum cm_federation_mode {
	CM_FEDERATION_OPEN,   /* all except denied ones */
	CM_FEDERATION_LISTED, /* only allowed ones */
};

/* How messages are compressed in the mailboxes; all forms can always be read. */
enum cm_mail_compress {
	CM_MAIL_COMPRESS_ZSTD,
	CM_MAIL_COMPRESS_GZ, /* as on upstream's relays */
	CM_MAIL_COMPRESS_OFF,
};

/* The program that signs outgoing mail. */
enum cm_dkim_signing {
	CM_DKIM_SIGNING_MILTER,
	CM_DKIM_SIGNING_OPENDKIM, /* OpenDKIM's daemon, as on upstream's relays */
};

/* Strings are never NULL: an absent one is "". Sizes are in bytes, ages in days. */
struct cm_config {
	char *path; /* the file that was read */

	char *mail_domain; /* as in addresses: "[192.0.2.1]" for a relay without a name */
	char *mail_host;   /* the same without brackets */
	bool mail_domain_is_ip;
	char *mailboxes_dir; /* absolute, no trailing '/' */

	unsigned int max_user_send_per_minute;
	unsigned int max_user_send_burst_size;
	unsigned int max_recipients; /* announced by METADATA as maxsmtprecipients; 1000 */
	uint64_t max_mailbox_size;
	unsigned int max_mailbox_messages; /* 0: no limit */
	unsigned int max_mailbox_folders;  /* 0: no limit */
	uint64_t max_message_size;

	unsigned int delete_mails_after;
	unsigned int delete_large_after;
	unsigned int delete_inactive_users_after;

	unsigned int username_min_length;
	unsigned int username_max_length;
	unsigned int password_min_length;
	enum cm_registration_mode registration;
	bool automatic_accounts; /* accept accounts that clients create unasked */
	unsigned int max_new_accounts_per_ip_per_hour; /* 0: no limit */
	unsigned int max_new_accounts_per_minute;      /* 0: no limit */
	double max_load_1m;
	uint64_t min_available_memory;
	uint64_t min_free_disk_space;

	unsigned int max_imap_connections;
	unsigned int max_smtp_connections;

	char *tls_certificate; /* path: that of tls_external_cert_and_key, or upstream's */
	char *tls_key;         /* likewise */
	/* A '_' domain or a relay without a name, and no external certificate. */
	bool tls_self_signed;

	char *www_folder;
	bool disable_ipv6;
	char *acme_email;
	char *iroh_relay;      /* the URL for clients; "": clients use their own default */
	bool iroh_relay_local; /* the key is absent: this relay runs its own Iroh relay */
	char *mtail_address;
	bool imap_rawlog;
	bool imap_compress;
	char *turn_socket_path; /* upstream's TURN daemon, used if turn_secret_file is "" */
	char *turn_secret_file;
	char *turn_host; /* default: mail_host */

	char *privacy_postal;
	char *privacy_mail;
	char *privacy_pdo;
	char *privacy_supervisor;

	char *notify_url;
	char *metrics_listen;      /* "HOST:PORT"; "": off */
	char *mxdeliv_listen;      /* the same, for mail from other relays */
	unsigned int mxdeliv_port; /* on 127.0.0.1, where Postfix accepts that mail */
	char *web_listen;          /* "HOST:PORT" or "unix:PATH"; "": off */
	char *dclogin_parameters;  /* "NAME=VALUE&...", for links that log in; "": only ic=3 */
	bool login_links;   /* derived: clients refuse to request accounts from this relay's /new */
	char *front_listen; /* address for connections of a front machine; "": none */
	char *front_network; /* ADDRESS or ADDRESS/BITS of that machine; "" if front_listen is "" */
	bool instant_idle;   /* notify idle clients at once, not after Dovecot's half second */
	bool log_addresses;
	char *blocked_senders_file;
	char *resolver; /* "ADDR[@PORT]"; "": the system's */
	enum cm_outbound outbound;
	bool outbound_private; /* connect to private addresses, too */
	enum cm_federation_mode federation;
	char *federation_allow_file;
	char *federation_deny_file;
	enum cm_mail_compress mail_compress;
	enum cm_dkim_signing dkim_signing;
	char *dkim_selector;
	char *dkim_keys_dir;
	char *backends;       /* on a front: see backends.h; "": all accounts are on this machine */
	bool backends_search; /* an account may be on another backend than the hash says */
	char *backend_listen; /* on a backend: the address for fronts; "": not a backend */
	char *fronts;         /* the addresses of the fronts; on a front: of the others */
	/* On all machines: the secret with which backends transfer accounts. */
	char *backend_secret_file;
	char *run_dir; /* absolute: the shared statistics, lost at a reboot */
};

/* Called for each unknown key or questionable value; text as in struct cm_error. */
typedef void cm_config_warning_fn(const char *text, void *context);

/* For daemons: logs a warning. */
cm_config_warning_fn cm_config_warn_log;

/* Reads and checks the file. NULL with err filled if it cannot be read or a value is bad. warn may
   be NULL. Free the result with cm_config_free(). */
struct cm_config *cm_config_load(const char *path, cm_config_warning_fn *warn, void *context,
				 struct cm_error *err);

/* Frees and sets to NULL. NULL and a pointer to NULL are fine. */
void cm_config_free(struct cm_config **config);

/* One key of the file, for listings and tests of the documentation; the parser works from the
   same table. */
struct cm_config_key {
	const char *name;
	const char *default_text; /* as written in the file; NULL: required or derived */
};

/* All keys in the order of chatmail.ini(5); the last has a NULL name. */
const struct cm_config_key *cm_config_keys(void);

/* The current value of one key as text, as written in the file: malloc'd, NULL for an unknown
   key. */
char *cm_config_get(const struct cm_config *config, const char *name);

#endif
