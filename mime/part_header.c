#include "part_header.h"

#include "rfc5322.h"

#include <string.h>
#include <strings.h>

#define PART_HEADERS_MAX       20
#define PART_HEADERS_BYTES_MAX 8192 /* all of them */

/* Texts that outgoing mail may contain in the clear besides structure: those of the MIME
   writers of Delta Chat, Thunderbird, Mutt, KMail, Evolution, GnuPG and other programs. */
static const char *const descriptions[] = {
    "PGP/MIME version identification",
    "PGP/MIME Versions Identification",
    "OpenPGP encrypted message",
    "OpenPGP encrypted data",
    "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)",
    "This is a digitally encrypted message part",
    NULL,
};
static const char *const file_names[] = {
    "encrypted.asc", "msg.asc",     "message.asc", "openpgp-encrypted-message.asc",
    "version.txt",   "version.asc", NULL,
};
static const char *const charsets[] = {"utf-8", "us-ascii", NULL};
static const char *const formats[] = {"flowed", "fixed", NULL};
static const char *const answers[] = {"yes", "no", NULL};

static const struct {
	const char *name;
	const char *const *texts;
} outgoing_parameters[] = {
    {"charset", charsets}, {"name", file_names}, {"filename", file_names},
    {"format", formats},   {"delsp", answers},
};

void cm_part_init(struct cm_part *part)
{
	*part = (struct cm_part){.encoding = CM_TRANSFER_IDENTITY};
}

static bool refuse(struct cm_finding *finding, const char *why)
{
	return cm_finding_set(finding, CM_REASON_AMBIGUOUS_HEADER, why);
}

static bool cleartext(struct cm_finding *finding, const char *why)
{
	return cm_finding_set(finding, CM_REASON_CLEARTEXT_IN_MIME, why);
}

static bool is_listed(const char *text, const char *const *list)
{
	while (*list != NULL && strcasecmp(text, *list) != 0)
		list++;
	return *list != NULL;
}

static bool check_parameters(const struct cm_mime_value *value, struct cm_finding *finding)
{
	for (size_t i = 0; i < value->parameter_count; i++) {
		size_t k = 0;
		size_t known = sizeof(outgoing_parameters) / sizeof(outgoing_parameters[0]);

		while (k < known &&
		       strcmp(value->parameter[i].name, outgoing_parameters[k].name) != 0)
			k++;
		if (k == known ||
		    !is_listed(value->parameter[i].text, outgoing_parameters[k].texts))
			return cleartext(finding, "a parameter of a part that could carry text");
	}
	return true;
}

static void note_name(struct cm_part *part, const char *name)
{
	static const char *const data[] = {"asc", "pgp", "gpg", "bin", "dat", NULL};
	static const char *const mail[] = {"txt", "eml", NULL};
	static const char *const texts[] = {"txt", "text", "log",   "md",    "csv", "rtf",
					    "htm", "html", "shtml", "xhtml", "xml", "css",
					    "js",  "ics",  "vcf",   NULL};
	const char *dot = strrchr(name, '.'), *ending = dot != NULL ? dot + 1 : name;

	if (dot != NULL && is_listed(ending, data))
		return;
	part->odd_name = true;
	part->text_name |= is_listed(ending, texts);
	part->file_name |= strpbrk(name, "%=") != NULL || (dot != NULL && !is_listed(ending, mail));
}

/* "name", "filename", and their RFC 2231 forms. */
static void note_names(struct cm_part *part, const struct cm_mime_value *value)
{
	for (size_t i = 0; i < value->parameter_count; i++) {
		const char *name = value->parameter[i].name;

		if (strncmp(name, "name", 4) == 0 || strncmp(name, "filename", 8) == 0)
			note_name(part, value->parameter[i].text);
	}
}

static bool content_type(struct cm_part *part, const char *text, bool strict,
			 struct cm_finding *finding)
{
	struct cm_mime_value value;
	const char *why = cm_mime_value_parse(text, true, strict, &value);

	if (part->type[0] != '\0')
		return refuse(finding, "a second Content-Type header in a part");
	if (why != NULL)
		return refuse(finding, why);
	/* Python's email package reads "a/b (text/plain)" as text/plain. */
	if (value.comment)
		return refuse(finding, "a comment in a part's Content-Type");
	memcpy(part->type, value.value, sizeof(part->type));
	note_names(part, &value);
	/* In another character set the text that we read as ASCII could mean another text. */
	for (size_t i = 0; i < value.parameter_count; i++) {
		if ((strict || strncmp(value.value, "text/", 5) == 0) &&
		    strcmp(value.parameter[i].name, "charset") == 0 &&
		    !is_listed(value.parameter[i].text, charsets))
			return refuse(finding, "a character set that is not UTF-8 or ASCII");
	}
	return !strict || check_parameters(&value, finding);
}

static bool transfer_encoding(struct cm_part *part, const char *text, bool strict,
			      struct cm_finding *finding)
{
	struct cm_mime_value value;
	const char *why = cm_mime_value_parse(text, false, strict, &value);

	if (part->encoding_seen)
		return refuse(finding, "a second Content-Transfer-Encoding header in a part");
	part->encoding_seen = true;
	if (why != NULL || value.parameter_count > 0)
		return refuse(finding, "a Content-Transfer-Encoding that is more than one word");
	if (!cm_transfer_encoding_parse(value.value, strict, &part->encoding))
		return refuse(finding, "an unknown Content-Transfer-Encoding");
	return true;
}

static bool disposition(struct cm_part *part, const char *text, bool strict,
			struct cm_finding *finding)
{
	struct cm_mime_value value;
	const char *why;

	if (part->disposition_seen)
		return refuse(finding, "a second Content-Disposition header in a part");
	part->disposition_seen = true;
	why = cm_mime_value_parse(text, false, strict, &value);
	if (why != NULL)
		part->odd_name = part->file_name = true;
	else
		note_names(part, &value);
	if (!strict)
		return true;
	if (why != NULL)
		return refuse(finding, why);
	if (strcmp(value.value, "inline") != 0 && strcmp(value.value, "attachment") != 0)
		return cleartext(finding, "an unknown Content-Disposition");
	return check_parameters(&value, finding);
}

static bool description(struct cm_part *part, const char *text, bool strict,
			struct cm_finding *finding)
{
	if (part->description_seen)
		return refuse(finding, "a second Content-Description header in a part");
	part->description_seen = true;
	if (!strict)
		return true;
	for (size_t i = 0; descriptions[i] != NULL; i++) {
		if (cm_text_is(text, descriptions[i]))
			return true;
	}
	return cleartext(finding, "a Content-Description that no program writes");
}

/* Parts need none (RFC 2045 4), but Python's email package writes one to each. */
static bool mime_version(struct cm_part *part, const char *text, bool strict,
			 struct cm_finding *finding)
{
	if (!strict)
		return true;
	if (part->version_seen)
		return refuse(finding, "a second MIME-Version header in a part");
	part->version_seen = true;
	return cm_text_is(text, "1.0") ||
	       cleartext(finding, "a MIME-Version of a part that is not just 1.0");
}

static bool message_id(struct cm_part *part, const char *text, bool strict,
		       struct cm_finding *finding)
{
	size_t length = strlen(text);

	if (!strict)
		return true;
	if (part->message_id[0] != '\0')
		return refuse(finding, "a second Message-ID header in a part");
	text = cm_trim(text, &length);
	if (length == 0 || cm_message_id_length(text) != length)
		return cleartext(finding, "a Message-ID of a part that is not an identifier");
	memcpy(part->message_id, text, length);
	part->message_id[length] = '\0';
	return true;
}

bool cm_part_header_decides(const char *field)
{
	static const char *const names[] = {"Content-Type", "Content-Transfer-Encoding"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncasecmp(field, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

bool cm_part_header(struct cm_part *part, char *field, bool strict, struct cm_finding *finding)
{
	char *colon = strchr(field, ':');
	const char *value;
	const char *why;

	part->header_bytes += strlen(field);
	if (++part->headers > PART_HEADERS_MAX || part->header_bytes > PART_HEADERS_BYTES_MAX)
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS, "too many headers in a part");
	if (colon == NULL || !cm_header_name_valid(field, (size_t)(colon - field)))
		return refuse(finding, "a malformed header in a part");
	*colon = '\0';
	value = colon + 1;
	why = cm_header_value_check(value);
	if (why != NULL)
		return refuse(finding, why);
	if (strcasecmp(field, "Content-Type") == 0)
		return content_type(part, value, strict, finding);
	if (strcasecmp(field, "Content-Transfer-Encoding") == 0)
		return transfer_encoding(part, value, strict, finding);
	if (strcasecmp(field, "Content-Disposition") == 0)
		return disposition(part, value, strict, finding);
	if (strcasecmp(field, "Content-Description") == 0)
		return description(part, value, strict, finding);
	if (strcasecmp(field, "MIME-Version") == 0)
		return mime_version(part, value, strict, finding);
	if (strcasecmp(field, "Message-ID") == 0)
		return message_id(part, value, strict, finding);
	if (strict)
		return cleartext(finding, "a header in a part that needs none");
	return true;
}
