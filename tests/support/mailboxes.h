/*
 * mailboxes - a directory with one account that accepts cleartext, for programs that need no more
 */
#ifndef CM_TEST_MAILBOXES_H
#define CM_TEST_MAILBOXES_H

#include "config.h"

/* The account: a recipient of incoming mail. */
#define TEST_MAILBOX "<bob@relay.test>"

/* The path of the directory. The first call creates it, and it is removed when the program
   ends. Aborts on errors. */
const char *test_mailboxes(void);

/* A configuration of relay.test with this directory, without lists of peers and without rate
   limits. A test may change it before it makes a policy. */
struct cm_config test_relay_config(void);

#endif
