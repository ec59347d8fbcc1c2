#include "state.h"

#include <ctype.h>
#include <stdio.h>

#include "log.h"

static void print_part(const char *text, char *separator)
{
	if (*text == '\0')
		return;
	putchar(*separator);
	*separator = '/';
	for (; *text != '\0'; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

void expire_list_deletion(const struct expire_state *state, const char *what, const char *mailbox,
			  const char *directory, const char *name)
{
	char separator = ' ';

	if (!state->options->verbose)
		return;
	printf("delete %s", what);
	print_part(mailbox, &separator);
	print_part(directory, &separator);
	print_part(name, &separator);
	putchar('\n');
}

void expire_trouble(struct expire_state *state, const char *mailbox, const struct cm_error *err)
{
	state->result->troubles++;
	if (mailbox == NULL)
		cm_log(LOG_WARNING, "%s", err->text);
	else
		cm_log(LOG_WARNING, "mailbox %s: %s", cm_log_address(mailbox), err->text);
}
