/*
 * mailboxes - a directory with one account that accepts cleartext, for programs that need no more
 */
#ifndef TEST_MAILBOXES_H
#define TEST_MAILBOXES_H

/* The account: a recipient of incoming mail. */
#define TEST_MAILBOX "<bob@relay.test>"

/* The path of the directory. The first call creates it, and it is removed when the program
   ends. Aborts on errors. */
const char *test_mailboxes(void);

#endif
