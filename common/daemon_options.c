/*
 * daemon_options - the command line that our background programs have in common
 */
#include "daemon_options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "config.h"

static void print_usage(const char *program, FILE *stream)
{
	fprintf(stream,
		"usage: %s [-f] [-c INI] [-p FILE] [-u USER]\n"
		"\n"
		"  -c, --config INI     configuration file (default " CM_CONFIG_DEFAULT_PATH ")\n"
		"  -f, --foreground     stay in the foreground, log to standard error\n"
		"  -p, --pid-file FILE  write the process id to FILE\n"
		"  -u, --user USER      run as USER when started by root (default " CM_DAEMON_USER
		")\n"
		"  -h, --help           show this help\n"
		"  -V, --version        show the version\n",
		program);
}

int cm_daemon_options_parse(const char *program, int argc, char **argv,
			    struct cm_daemon_options *options_r)
{
	static const struct option table[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"foreground", no_argument, NULL, 'f'},
	    {"pid-file", required_argument, NULL, 'p'},
	    {"user", required_argument, NULL, 'u'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*options_r = (struct cm_daemon_options){
	    .config_path = CM_CONFIG_DEFAULT_PATH,
	    .user = geteuid() == 0 ? CM_DAEMON_USER : NULL,
	};
	while ((option = getopt_long(argc, argv, "c:fp:u:hV", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			options_r->config_path = optarg;
			break;
		case 'f':
			options_r->foreground = true;
			break;
		case 'p':
			options_r->pid_path = optarg;
			break;
		case 'u':
			options_r->user = optarg;
			break;
		case 'h':
			print_usage(program, stdout);
			return 0;
		case 'V':
			printf("%s %s\n", program, CM_VERSION);
			return 0;
		default:
			print_usage(program, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: unexpected argument: %s\n", program, argv[optind]);
	print_usage(program, stderr);
	return 2;
}
