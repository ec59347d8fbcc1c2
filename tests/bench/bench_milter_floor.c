/*
 * bench_milter_floor - a milter that accepts everything, to measure libmilter itself
 *
 * usage: bench_milter_floor SOCKET
 *
 * It requests the same events, macros and replies from Postfix as chatmail-milter
 * (milter/session.c), and ignores them. So the difference between the two is the cost of the
 * policy.
 */
#include <libmilter/mfapi.h>

#include <stdio.h>

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
			     unsigned long unused_2, unsigned long unused_3,
			     unsigned long *actions_r, unsigned long *steps_r,
			     unsigned long *unused_2_r, unsigned long *unused_3_r)
{
	(void)actions;
	(void)unused_2;
	(void)unused_3;
	if (smfi_setsymlist(context, SMFIM_ENVFROM, "{auth_authen} {mail_addr}") != MI_SUCCESS ||
	    smfi_setsymlist(context, SMFIM_EOH, "i") != MI_SUCCESS ||
	    smfi_setsymlist(context, SMFIM_EOM, "i") != MI_SUCCESS)
		return SMFIS_REJECT;
	*actions_r = SMFIF_SETSYMLIST;
	*steps_r = steps & (SMFIP_HDR_LEADSPC | SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_NR_BODY |
			    SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA);
	*unused_2_r = *unused_3_r = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_mail(SMFICTX *context, char **arguments)
{
	(void)context;
	(void)arguments;
	return SMFIS_CONTINUE;
}

static sfsistat on_recipient(SMFICTX *context, char **arguments)
{
	(void)context;
	(void)arguments;
	return SMFIS_NOREPLY;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	(void)context;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat on_event(SMFICTX *context)
{
	(void)context;
	return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *context, unsigned char *data, size_t length)
{
	(void)context;
	(void)data;
	(void)length;
	return SMFIS_NOREPLY;
}

int main(int argc, char **argv)
{
	static char name[] = "bench_milter_floor";
	struct smfiDesc description = {
	    .xxfi_name = name,
	    .xxfi_version = SMFI_VERSION,
	    .xxfi_flags = SMFIF_SETSYMLIST,
	    .xxfi_negotiate = on_negotiate,
	    .xxfi_envfrom = on_mail,
	    .xxfi_envrcpt = on_recipient,
	    .xxfi_header = on_header,
	    .xxfi_eoh = on_event,
	    .xxfi_body = on_body,
	    .xxfi_eom = on_event,
	    .xxfi_abort = on_event,
	};

	if (argc != 2) {
		fprintf(stderr, "usage: bench_milter_floor SOCKET\n");
		return 2;
	}
	if (smfi_register(description) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS)
		return 1;
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
