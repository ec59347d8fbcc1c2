#include "mailboxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[256], mailbox[300], password[320];

static void remove_all(void)
{
	unlink(password);
	rmdir(mailbox);
	rmdir(top);
}

const char *test_mailboxes(void)
{
	const char *directory = getenv("TMPDIR");
	FILE *file;

	if (top[0] != '\0')
		return top;
	snprintf(top, sizeof(top), "%s/chatmail-mailboxes-XXXXXX",
		 directory != NULL ? directory : "/tmp");
	if (mkdtemp(top) == NULL)
		abort();
	snprintf(mailbox, sizeof(mailbox), "%s/bob@relay.test", top);
	snprintf(password, sizeof(password), "%s/password", mailbox);
	if (mkdir(mailbox, 0700) != 0 || (file = fopen(password, "w")) == NULL)
		abort();
	fputs("{PLAIN}secret", file);
	fclose(file);
	atexit(remove_all);
	return top;
}

struct cm_config test_relay_config(void)
{
	return (struct cm_config){
	    .mail_domain = "relay.test",
	    .mail_host = "relay.test",
	    .mailboxes_dir = (char *)test_mailboxes(),
	    .max_recipients = 1000,
	    .blocked_senders_file = "",
	    .federation_allow_file = "",
	    .federation_deny_file = "",
	};
}
