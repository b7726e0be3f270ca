/*
 * arguments.c: the command line. What is wrong with it is said before anything is connected.
 */
#include "arguments.h"
#include "text.h"

#include <stdlib.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

#if defined(__GLIBC__)
#define LIBC "glibc"
#elif defined(__linux__)
#define LIBC "musl"
#else
#define LIBC "libc"
#endif

#define NAME_LIMIT 64
#define LONGEST_TIMEOUT_MS 600000

static const char usage[]
	= "usage: credward-helper [OPTION...] [NAME]\n"
	  "Print a short-lived credential of the credward daemon; without NAME the default one.\n"
	  "\n"
	  "  --format FORMAT     shape of the answer: token (default), json, headers, env, ...\n"
	  "  --min-remaining S   ask for a token that is valid for S more seconds\n"
	  "  --timeout S         give up after S seconds (default 4)\n"
	  "  --no-start          do not start the daemon when it is not running\n"
	  "  --check ready       exit 0 when the daemon is ready, 1 when it is not\n"
	  "  --base-url URL      where the token will be sent, instead of what the environment says\n"
	  "  --help, --version   print this, print the version\n";

/* How it is linked decides what a start costs, so it is said; the kernel knows whether a loader was
 * needed (getauxval(3)). */
static const char *version(void)
{
#ifdef __linux__
	if (getauxval(AT_BASE) == 0)
		return "credward-helper " CREDWARD_VERSION " (static " LIBC ")\n";
#endif
	return "credward-helper " CREDWARD_VERSION " (dynamic " LIBC ")\n";
}

static bool misused(struct failure *failure, const char *what, const char *word, const char *rest)
{
	failure_note(failure, CODE_BAD_REQUEST, what, "\"", word, "\"", rest,
		": run credward-helper --help", NULL);
	return false;
}

/* Where the value of an option goes, NULL for an unknown one. */
static const char **value_place(struct options *options, const char *option, size_t length)
{
	const struct {
		const char *option;
		const char **place;
	} known[] = {
		{ "--format", &options->format },
		{ "--min-remaining", &options->min_remaining },
		{ "--timeout", &options->timeout },
		{ "--check", &options->check },
		{ "--base-url", &options->base_url },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].option) == length && strncmp(known[i].option, option, length) == 0)
			return known[i].place;
	return NULL;
}

/* Read the option at arguments[*at]; its value may be the next argument. */
static bool read_option(struct options *options, char **arguments, int *at, struct failure *failure)
{
	const char *option = arguments[*at];
	size_t length = strcspn(option, "=");
	const char **place = value_place(options, option, length);

	if (strcmp(option, "--no-start") == 0)
		options->no_start = true;
	else if (strcmp(option, "--help") == 0)
		options->print = usage;
	else if (strcmp(option, "--version") == 0)
		options->print = version();
	else if (place == NULL)
		return misused(failure, "unknown option ", option, "");
	else if (option[length] == '=')
		*place = option + length + 1;
	else if (arguments[*at + 1] != NULL)
		*place = arguments[++*at];
	else
		return misused(failure, "option ", option, " needs a value");
	return true;
}

bool read_arguments(struct options *options, char **arguments, struct failure *failure)
{
	bool options_end = false;

	/* An empty argument vector is legal, and its first element may be anything. */
	for (int i = arguments[0] != NULL ? 1 : 0; arguments[i] != NULL; i++) {
		const char *argument = arguments[i];

		if (!options_end && strcmp(argument, "--") == 0) {
			options_end = true;
		} else if (!options_end && argument[0] == '-' && argument[1] != '\0') {
			if (!read_option(options, arguments, &i, failure))
				return false;
		} else if (options->name != NULL) {
			return misused(failure, "unexpected argument ", argument, "");
		} else {
			options->name = argument;
		}
	}
	return true;
}

static bool only_of(const char *word, const char *characters, size_t limit)
{
	size_t length = strlen(word);

	return length > 0 && length <= limit && word[strspn(word, characters)] == '\0';
}

int64_t read_seconds(const char *word)
{
	char *end = NULL;
	int64_t milliseconds;

	if (!only_of(word, "0123456789.", 12) || word[0] == '.')
		return -1;
	milliseconds = (int64_t)strtoll(word, &end, 10) * 1000;
	if (*end == '\0')
		return milliseconds;
	end++;
	if (!only_of(end, "0123456789", 3))
		return -1;
	for (int64_t unit = 100; *end != '\0'; end++, unit /= 10)
		milliseconds += (*end - '0') * unit;
	return milliseconds;
}

bool check_options(struct options *options, struct failure *failure)
{
	static const char letters[]
		= "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	/* "-" is the daemon's word for the default. Anything path-like ends here (R10). */
	if (strcmp(options->name, "-") != 0
		&& (!only_of(options->name, letters, NAME_LIMIT)
			|| strchr("._-", options->name[0]) != NULL))
		return misused(failure, "", options->name, " is not the name of a credential");
	if (!only_of(options->format, "abcdefghijklmnopqrstuvwxyz0123456789-", 32))
		return misused(failure, "", options->format, " is not the name of a format");
	if (options->min_remaining != NULL && read_seconds(options->min_remaining) < 0)
		return misused(failure, "--min-remaining takes seconds, not ", options->min_remaining, "");
	if (options->timeout != NULL)
		options->timeout_ms = read_seconds(options->timeout);
	if (options->timeout_ms <= 0 || options->timeout_ms > LONGEST_TIMEOUT_MS)
		return misused(failure, "--timeout takes seconds up to 600, not ", options->timeout, "");
	if (options->check != NULL && strcmp(options->check, "ready") != 0)
		return misused(failure, "--check knows only \"ready\", not ", options->check, "");
	return true;
}
