/*
 * archive_digest - the digest of an archive in its last entry
 *
 * An archive is a tar of this form, in this order:
 *
 *	chatmail-archive.json	{"format": 1, "kind": "relay" or "account", "mail_domain": …,
 *				"created": Unix time}
 *	relay/ROLE		files beside the mailboxes, see relay_files.h; not of an account
 *	mail/NAME/PATH		what is in mailboxes_dir: accounts, invitations, notifications
 *	end.json		{"entries": …, "accounts": …, "messages": …, "bytes": …,
 *				"sha256": …}
 *
 * The digest is over the entries before the last: of each its name, a NUL, its size in decimal
 * digits, a NUL, and its content. It detects damage and a missing end, not forgery.
 */
#ifndef CM_ARCHIVE_DIGEST_H
#define CM_ARCHIVE_DIGEST_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CM_ARCHIVE_FIRST  "chatmail-archive.json"
#define CM_ARCHIVE_LAST   "end.json"
#define CM_ARCHIVE_FORMAT 1
#define CM_ARCHIVE_RELAY  "relay/"
#define CM_ARCHIVE_MAIL   "mail/"

#define CM_ARCHIVE_SHA256_SIZE 65 /* hexadecimal digits and a NUL */

struct cm_archive_totals {
	uint64_t entries; /* before the last */
	uint64_t accounts, messages;
	uint64_t bytes; /* of the entries' contents */
};

struct cm_archive_digest {
	EVP_MD_CTX *context;
	struct cm_archive_totals totals;
};

/* False if out of memory. */
bool cm_archive_digest_init(struct cm_archive_digest *digest);
void cm_archive_digest_deinit(struct cm_archive_digest *digest);

/* The next entry; its content follows in any number of parts. */
void cm_archive_digest_entry(struct cm_archive_digest *digest, const char *name, uint64_t size);
void cm_archive_digest_content(struct cm_archive_digest *digest, const void *data, size_t length);

/* The digest of everything so far; nothing can be added afterwards. */
void cm_archive_digest_end(struct cm_archive_digest *digest, char hex_r[CM_ARCHIVE_SHA256_SIZE]);

#endif
