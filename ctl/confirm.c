#include "confirm.h"

#include <signal.h>
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

/* Byte by byte: stdio would keep a copy, and the input after the line is not ours. The line may end
   as Windows' do. */
static bool read_line(char *buffer, size_t size)
{
	size_t length = 0;
	bool text = true;
	char byte;

	while (length + 1 < size && read(STDIN_FILENO, &byte, 1) == 1) {
		if (byte == '\n') {
			if (length > 0 && buffer[length - 1] == '\r')
				length--;
			buffer[length] = '\0';
			return text;
		}
		text = text && byte != '\0';
		buffer[length++] = byte;
	}
	buffer[length] = '\0';
	return text && length > 0 && length + 1 < size;
}

/* The signals that end a program at its terminal. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

#define ENDING (sizeof(ending) / sizeof(ending[0]))

struct terminal {
	struct termios before;
	struct sigaction actions[ENDING], stop;
};

static struct terminal terminal;

/* Otherwise the shell would not show what is typed. */
static void show_again(int number)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal.before);
	raise(number);
}

/* False if standard input is not a terminal. */
static bool hide_input(void)
{
	const struct sigaction show = {.sa_handler = show_again, .sa_flags = (int)SA_RESETHAND};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct termios silent;

	if (tcgetattr(STDIN_FILENO, &terminal.before) < 0)
		return false;
	for (size_t i = 0; i < ENDING; i++)
		(void)sigaction(ending[i], &show, &terminal.actions[i]);
	(void)sigaction(SIGTSTP, &ignore, &terminal.stop);
	silent = terminal.before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	return true;
}

static void show_input(void)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal.before);
	for (size_t i = 0; i < ENDING; i++)
		(void)sigaction(ending[i], &terminal.actions[i], NULL);
	(void)sigaction(SIGTSTP, &terminal.stop, NULL);
	fputc('\n', stderr);
}

bool cm_confirm_read_secret(const char *prompt, char *buffer, size_t size, struct cm_error *err)
{
	bool hidden = hide_input(), good;

	if (hidden) {
		fputs(prompt, stderr);
		fflush(stderr);
	}
	good = read_line(buffer, size);
	if (hidden)
		show_input();
	if (!good) {
		explicit_bzero(buffer, size);
		cm_error_set(err, "cannot read a password of at most %zu bytes without a NUL",
			     size - 2);
	}
	return good;
}
