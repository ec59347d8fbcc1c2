#include "tls_trust.h"

#include <stdio.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

/* The first certificate, and those after it. */
static STACK_OF(X509) * read_chain(const char *path, X509 **leaf_r)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	FILE *file = fopen(path, "re");
	X509 *certificate;

	*leaf_r = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	while (chain != NULL && *leaf_r != NULL &&
	       (certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain, certificate) <= 0)
			X509_free(certificate);
	if (file != NULL)
		fclose(file);
	return chain;
}

int cm_tls_trust_verify(const struct cm_config *config)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int result = X509_V_ERR_UNSPECIFIED;
	X509 *leaf;
	STACK_OF(X509) *chain = read_chain(config->tls_certificate, &leaf);

	if (leaf != NULL && store != NULL && context != NULL &&
	    X509_STORE_set_default_paths(store) == 1 &&
	    X509_STORE_CTX_init(context, store, leaf, chain) == 1)
		result =
		    X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	sk_X509_pop_free(chain, X509_free);
	X509_free(leaf);
	return result;
}
