/*
 * https - the options of libcurl that all our HTTPS clients set
 */
#ifndef HTTPS_H
#define HTTPS_H

#include <curl/curl.h>

/* HTTP/2 if the server supports it, TLS 1.2 or later, no signals, and the certificate
   authorities in SSL_CERT_FILE and SSL_CERT_DIR, if they are set. agent: the User-Agent
   header. */
void https_set_options(CURL *easy, const char *agent);

/* Ends a connection whose data the peer does not acknowledge for this time; the kernel would try
   for a quarter of an hour. libcurl keeps an HTTP/2 connection after a time-out, for the next
   requests. */
void https_set_silence(CURL *easy, unsigned int milliseconds);

#endif
