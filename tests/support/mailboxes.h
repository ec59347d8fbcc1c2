/*
 * mailboxes - a directory with one account that takes cleartext, for programs that need no more
 */
#ifndef TEST_MAILBOXES_H
#define TEST_MAILBOXES_H

/* The account: a recipient of incoming mail. */
#define TEST_MAILBOX "<bob@relay.test>"

/* The path of the directory, made by the first call and removed when the program ends. Aborts if it
   cannot be made. */
const char *test_mailboxes(void);

#endif
