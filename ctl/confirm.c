#include "confirm.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

bool cm_confirm(bool assume, const char *question, struct cm_error *err)
{
	char answer[16] = "";

	if (assume)
		return true;
	if (!isatty(STDIN_FILENO)) {
		cm_error_set(err, "standard input is not a terminal: use --yes");
		return false;
	}
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
		return true;
	cm_error_set(err, "nothing was changed");
	return false;
}

/* Byte by byte: stdio would keep a copy, and the input after the line is not ours. */
static bool read_line(char *buffer, size_t size)
{
	size_t length = 0;
	char byte;

	while (length + 1 < size && read(STDIN_FILENO, &byte, 1) == 1) {
		if (byte == '\n') {
			buffer[length] = '\0';
			return true;
		}
		buffer[length++] = byte;
	}
	buffer[length] = '\0';
	return length > 0 && length + 1 < size;
}

bool cm_confirm_read_secret(const char *prompt, char *buffer, size_t size, struct cm_error *err)
{
	struct termios old, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &old) == 0, good;

	if (terminal) {
		silent = old;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		fputs(prompt, stderr);
		fflush(stderr);
	}
	good = read_line(buffer, size);
	if (terminal) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	if (!good) {
		explicit_bzero(buffer, size);
		cm_error_set(err, "cannot read a password of at most %zu bytes", size - 2);
	}
	return good;
}
