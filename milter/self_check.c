#include "self_check.h"

#include <dirent.h>
#include <link.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* SMFIC_OPTNEG with version 6 of the protocol, all actions and all steps: libmilter closes the
   connection of an MTA that lacks one it needs. The reply has the same command (Sendmail's
   mfdef.h). */
static const unsigned char offer[] = {
    0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 0x01, 0xff, 0, 0x1f, 0xff, 0xff,
};
static const unsigned char quit[] = {0, 0, 0, 1, 'Q'};
#define REPLY_COMMAND 4

/* Reads the reply's length and command. */
static bool read_reply(int fd, int milliseconds)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	unsigned char reply[REPLY_COMMAND + 1];
	size_t length = 0;
	int64_t deadline = cm_clock_milliseconds() + milliseconds;
	ssize_t got;

	while (length < sizeof(reply)) {
		int left = (int)(deadline - cm_clock_milliseconds());

		if (left <= 0 || poll(&poll_fd, 1, left) <= 0)
			return false;
		got = recv(fd, reply + length, sizeof(reply) - length, 0);
		if (got <= 0)
			return false;
		length += (size_t)got;
	}
	return reply[REPLY_COMMAND] == 'O';
}

bool cm_self_check_answers(const struct cm_worker_wakeup_address *address, int milliseconds)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers;

	if (fd < 0)
		return false;
	answers = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 &&
		  send(fd, offer, sizeof(offer), MSG_NOSIGNAL) == (ssize_t)sizeof(offer) &&
		  read_reply(fd, milliseconds);
	if (answers && send(fd, quit, sizeof(quit), MSG_NOSIGNAL) < 0)
		answers = false;
	close(fd);
	return answers;
}

/* Searches the dynamic symbols of libmilter for the name. */
static int names_select(struct dl_phdr_info *object, size_t size, void *context)
{
	const char *names = NULL;
	size_t length = 0;
	bool *selects = context;

	(void)size;
	if (strstr(object->dlpi_name, "libmilter") == NULL)
		return 0;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Dyn) * entry;

		if (object->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
		for (; entry->d_tag != DT_NULL; entry++) {
			/* glibc has already added the load address, musl has not. */
			if (entry->d_tag == DT_STRTAB)
				names = (const char *)(entry->d_un.d_ptr < object->dlpi_addr
							   ? object->dlpi_addr + entry->d_un.d_ptr
							   : entry->d_un.d_ptr);
			if (entry->d_tag == DT_STRSZ)
				length = entry->d_un.d_val;
		}
	}
	if (names != NULL && memmem(names, length, "\0select", sizeof("\0select")) != NULL)
		*selects = true;
	return 1;
}

bool cm_self_check_selects(void)
{
	bool selects = false;

	dl_iterate_phdr(names_select, &selects);
	return selects;
}

unsigned int cm_self_check_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	if (directory == NULL)
		return 0;
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	/* Not counting the directory's own descriptor. */
	return count - 1;
}
