/*
 * config_keys - the keys of chatmail.ini: one row for each key, with all its properties
 *
 * For config.c and config_derive.c; the rest of the relay has struct cm_config.
 */
#ifndef CM_CONFIG_KEYS_H
#define CM_CONFIG_KEYS_H

#include <stddef.h>

#include "config.h"

enum cm_config_kind {
	CM_CONFIG_TEXT,
	CM_CONFIG_PATH,     /* "" or an absolute path */
	CM_CONFIG_MAILS,    /* the same; the last component may be an address literal */
	CM_CONFIG_NUMBER,   /* unsigned int */
	CM_CONFIG_DAYS,     /* the same; upstream's defaults of 2023 end in "d" */
	CM_CONFIG_BYTES,    /* a size in bytes */
	CM_CONFIG_SIZE,     /* a size like upstream's: 500M, 2G; a bare number is in megabytes */
	CM_CONFIG_REAL,     /* double */
	CM_CONFIG_FLAG,     /* bool */
	CM_CONFIG_MODE,     /* enum cm_registration_mode, see struct cm_config_choice */
	CM_CONFIG_OUTBOUND, /* enum cm_outbound, see struct cm_config_choice */
	CM_CONFIG_PEERS,    /* enum cm_federation_mode, see struct cm_config_choice */
	CM_CONFIG_SIGNING,  /* enum cm_dkim_signing, see struct cm_config_choice */
	CM_CONFIG_COMPRESS, /* enum cm_mail_compress, see struct cm_config_choice */
	CM_CONFIG_WORD,     /* letters, digits and dashes */
	CM_CONFIG_URL,      /* https only */
	CM_CONFIG_IROH,     /* "" or a URL, http too */
	CM_CONFIG_HOST,     /* "", a domain name, or an IP address without brackets */
	CM_CONFIG_LISTEN,   /* HOST:PORT */
	CM_CONFIG_WEB,      /* "", HOST:PORT, or unix: and an absolute path */
	CM_CONFIG_RESOLVER, /* ADDR[@PORT] */
	CM_CONFIG_ADDRESS,  /* "" or an IP address without brackets */
	CM_CONFIG_QUERY,    /* "", or NAME=VALUE with & between, as in a URL */
	CM_CONFIG_NETWORK,  /* "", ADDRESS or ADDRESS/BITS */
	CM_CONFIG_DOMAIN,   /* the mail domain */
	CM_CONFIG_TLS,      /* two paths */
	CM_CONFIG_BACKENDS, /* IP addresses, with '-' before one that is being emptied */
	CM_CONFIG_FRONTS,   /* IP addresses */
};

struct cm_config_row {
	const char *name;
	enum cm_config_kind kind;
	size_t offset;            /* in struct cm_config; unused by CM_CONFIG_TLS */
	const char *default_text; /* NULL: required, or derived by config_derive.c */
	/* Of CM_CONFIG_NUMBER and CM_CONFIG_DAYS; min also of sizes, in their unit. */
	unsigned int min, max;
};

/* Maximum number of keys in the table. */
#define CM_CONFIG_KEYS_MAX 96

/* In the order of chatmail.ini(5); the last has a NULL name. */
extern const struct cm_config_row cm_config_rows[];

/* The row's index in the table, or -1. */
int cm_config_index(const char *name);

/* Maximum number of words in a choice. */
#define CM_CONFIG_WORDS_MAX 4

/* The values of a kind with a choice of words, in the order of its enum. */
struct cm_config_choice {
	enum cm_config_kind kind;
	const char *names[CM_CONFIG_WORDS_MAX]; /* NULL after the last, if there is room */
	const char *expected;                   /* for the error message */
};

/* NULL for other kinds. */
const struct cm_config_choice *cm_config_choice(enum cm_config_kind kind);

/* The field for the row's value. */
void *cm_config_field(struct cm_config *config, const struct cm_config_row *row);

/* asprintf() to a field, which frees the old text; false if out of memory. */
bool cm_config_print(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
