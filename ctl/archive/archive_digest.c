#include "archive_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool cm_archive_digest_init(struct cm_archive_digest *digest)
{
	*digest = (struct cm_archive_digest){.context = EVP_MD_CTX_new()};
	return digest->context != NULL &&
	       EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1;
}

void cm_archive_digest_deinit(struct cm_archive_digest *digest)
{
	EVP_MD_CTX_free(digest->context);
	digest->context = NULL;
}

void cm_archive_digest_entry(struct cm_archive_digest *digest, const char *name, uint64_t size)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRIu64, size);

	EVP_DigestUpdate(digest->context, name, strlen(name) + 1);
	EVP_DigestUpdate(digest->context, text, (size_t)length + 1);
	digest->totals.entries++;
}

void cm_archive_digest_content(struct cm_archive_digest *digest, const void *data, size_t length)
{
	EVP_DigestUpdate(digest->context, data, length);
	digest->totals.bytes += length;
}

void cm_archive_digest_end(struct cm_archive_digest *digest, char hex_r[CM_ARCHIVE_SHA256_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	hex_r[0] = '\0';
	if (EVP_DigestFinal_ex(digest->context, hash, &length) != 1)
		return;
	for (unsigned int i = 0; i < length && 2 * i + 2 < CM_ARCHIVE_SHA256_SIZE; i++)
		snprintf(hex_r + 2 * (size_t)i, 3, "%02x", hash[i]);
}
