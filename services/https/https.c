#include "https.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

void https_set_options(CURL *easy, const char *agent)
{
	const char *file = getenv("SSL_CERT_FILE"), *directory = getenv("SSL_CERT_DIR");

	curl_easy_setopt(easy, CURLOPT_USERAGENT, agent);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	if (file != NULL && *file != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	if (directory != NULL && *directory != '\0')
		curl_easy_setopt(easy, CURLOPT_CAPATH, directory);
}

static int set_socket_options(void *context, curl_socket_t fd, curlsocktype purpose)
{
	const unsigned int milliseconds = (unsigned int)(uintptr_t)context;

	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
	return CURL_SOCKOPT_OK;
}

void https_set_silence(CURL *easy, unsigned int milliseconds)
{
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket_options);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, (void *)(uintptr_t)milliseconds);
}
