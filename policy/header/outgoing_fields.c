#include "outgoing_fields.h"

#include "field_types.h"
#include "rfc5322.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Every field that is not in this table is deleted. The comment is the reason why it may
   leave. */
static const struct {
	const char *name;
	cm_field_type_fn *type;
} fields[] = {
    {"From", cm_field_address},       /* the author; DKIM and DMARC require it */
    {"Reply-To", cm_field_addresses}, /* the address for replies of ordinary mail programs */
    {"To", cm_field_recipients},      /* ordinary mail programs address their replies with it */
    {"Cc", cm_field_addresses},       /* as To */
    {"Date", cm_field_date}, /* RFC 5322 3.6: required; large providers refuse mail without it */
    {"Message-ID", cm_field_message_id},     /* bounces and receipts refer to the message by it */
    {"In-Reply-To", cm_field_message_ids},   /* threads, also before a client decrypts */
    {"References", cm_field_message_ids},    /* as In-Reply-To */
    {"Subject", cm_field_subject},           /* never a text: Delta Chat's value for "none" */
    {"MIME-Version", cm_field_mime_version}, /* RFC 2045 4: required */
    {"Content-Type", cm_field_content_type}, /* how to read the body: boundary, protocol */
    {"Content-Transfer-Encoding", cm_field_transfer_encoding}, /* how to read the body */
    {"Auto-Submitted", cm_field_auto_submitted}, /* RFC 3834: prevents automatic replies */
    {"Autocrypt", cm_field_autocrypt}, /* the sender's public key, for new correspondents */
    {"Autocrypt-Setup-Message", cm_field_setup_version}, /* a key on its way to a second device */
    {"Chat-Version", cm_field_version},                  /* marks a message of a chat program */
    {"Chat-Is-Post-Message", cm_field_flag}, /* the larger half of a message in two parts */
    {"Chat-Disposition-Notification-To", cm_field_own_address}, /* requests a receipt */
    {"Ephemeral-Timer", cm_field_number},              /* seconds until the message disappears */
    {"Secure-Join", cm_field_secure_join},             /* the step of the secure-join protocol */
    {"Secure-Join-Invitenumber", cm_field_token},      /* the QR code that was scanned */
    {"Secure-Join-Group", cm_field_token},             /* the group to join */
    {"Secure-Join-Fingerprint", cm_field_fingerprint}, /* the joiner's key */
};

cm_field_type_fn *cm_outgoing_field_type(const char *name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (cm_lower(*name) == cm_lower(*fields[i].name) &&
		    strcasecmp(name, fields[i].name) == 0)
			return fields[i].type;
	}
	return NULL;
}

bool cm_outgoing_field_is_request(const char *name)
{
	return strncasecmp(name, "Secure-Join", strlen("Secure-Join")) == 0;
}
