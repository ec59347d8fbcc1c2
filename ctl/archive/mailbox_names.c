#include "mailbox_names.h"

#include <stddef.h>
#include <string.h>

#include "account.h"

bool cm_mailbox_name_is_passing(const char *name)
{
	static const char *const beginnings[] = {
	    "dovecot.index", "dovecot.list.index",  "dovecot.mailbox.log",
	    "maildirsize",   CM_ACCOUNT_TMP_PREFIX,
	};
	const char *end = strrchr(name, '.');

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return end != NULL && strcmp(end, ".lock") == 0;
}
