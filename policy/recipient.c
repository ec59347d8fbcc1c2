#include "recipient.h"

#include <string.h>

bool cm_recipient_mailbox(const char *path, struct cm_address *mailbox_r)
{
	const char *plus;

	if (!cm_address_parse_path(path, mailbox_r) || strpbrk(mailbox_r->text, "%!") != NULL)
		return false;
	plus = strchr(mailbox_r->text, '+');
	if (plus == NULL)
		return true;
	memmove(mailbox_r->text + (plus - mailbox_r->text), cm_address_domain(mailbox_r) - 1,
		strlen(cm_address_domain(mailbox_r)) + 2);
	mailbox_r->local_length = (size_t)(plus - mailbox_r->text);
	return mailbox_r->local_length > 0;
}
