/*
 * arguments.h: what the command line asks for.
 */
#ifndef CREDWARD_ARGUMENTS_H
#define CREDWARD_ARGUMENTS_H

#include "failure.h"

#include <stdbool.h>
#include <stdint.h>

#ifndef CREDWARD_VERSION
#define CREDWARD_VERSION "dev"
#endif

struct options {
	const char *name;
	const char *format;
	const char *min_remaining;
	const char *base_url;
	const char *check;
	const char *timeout;
	int64_t timeout_ms;
	bool no_start;
	const char *print; /* text that answers --help or --version */
};

/* Read a NULL-terminated argument vector; --help and --version only fill in what to print. */
bool read_arguments(struct options *options, char **arguments, struct failure *failure);

/* Judge the values that were read. */
bool check_options(struct options *options, struct failure *failure);

/* A number of seconds such as 4 or 2.5, in milliseconds; -1 for anything else. */
int64_t read_seconds(const char *word);

#endif
