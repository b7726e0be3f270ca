/*
 * arguments.c: the command line. Errors in it are reported before any connection.
 */
#include "helper.h"

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
	= "usage: credward-helper [OPTION...] [NAME...]\n"
	  "Print a short-lived credential of the credward daemon; without NAME the one that\n"
	  "CREDWARD_CREDENTIAL names, else the one of `credward use`, else the default one.\n"
	  "\n"
	  "  --format FORMAT     shape of the answer: token (default), json, headers, env,\n"
	  "                      aws-process, aws-export, gcp-executable; headers takes more names\n"
	  "  --min-remaining S   ask for a token that is valid for S more seconds\n"
	  "  --cache-ttl S       you keep it for S seconds before you ask again\n"
	  "  --timeout S         give up after S seconds (default 4)\n"
	  "  --no-start          do not start the daemon when it is not running\n"
	  "  --check ready       exit 0 when the daemon is ready, 1 when it is not\n"
	  "  --status LOOK       print what `credward status` does; LOOK is width=COLUMNS&colour=0\n"
	  "  --base-url URL      where the token will be sent, instead of what the environment says\n"
	  "  --help, --version   print this, print the version\n";

/* The kind of linking decides the cost of a start, so we report it; the kernel knows whether a loader
 * was needed (getauxval(3)). */
static const char *version(void)
{
#ifdef __linux__
	if (getauxval(AT_BASE) == 0)
		return "credward-helper " CREDWARD_VERSION " (static " LIBC ")\n";
#endif
	return "credward-helper " CREDWARD_VERSION " (dynamic " LIBC ")\n";
}

static _Noreturn void misused(const char *what, const char *word, const char *rest)
{
	fail(CODE_BAD_REQUEST, what, "\"", word, "\"", rest, ": run credward-helper --help");
}

/* The value of the option called `name`, which may be the next argument; NULL if the argument is
 * another option. */
static const char *value_of(const char *name, char ***argument)
{
	const char *word = **argument;
	size_t length = strlen(name);

	if (strncmp(word, name, length) != 0 || (word[length] != '=' && word[length] != '\0'))
		return NULL;
	if (word[length] == '=')
		return word + length + 1;
	if ((*argument)[1] == NULL)
		misused("option ", word, " needs a value");
	return *++*argument;
}

static void read_option(struct options *options, char ***argument)
{
	const char *word = **argument, *value;

	if ((value = value_of("--format", argument)) != NULL)
		options->format = value;
	else if ((value = value_of("--min-remaining", argument)) != NULL)
		options->min_remaining = value;
	else if ((value = value_of("--cache-ttl", argument)) != NULL)
		options->cache_ttl = value;
	else if ((value = value_of("--timeout", argument)) != NULL)
		options->timeout = value;
	else if ((value = value_of("--check", argument)) != NULL)
		options->check = value;
	else if ((value = value_of("--status", argument)) != NULL)
		options->status = value;
	else if ((value = value_of("--base-url", argument)) != NULL)
		options->base_url = value;
	else if (strcmp(word, "--no-start") == 0)
		options->no_start = true;
	else if (strcmp(word, "--help") == 0)
		options->print = usage;
	else if (strcmp(word, "--version") == 0)
		options->print = version();
	else
		misused("unknown option ", word, "");
}

static bool only_of(const char *word, const char *characters, size_t limit)
{
	size_t length = strlen(word);

	return length > 0 && length <= limit && word[strspn(word, characters)] == '\0';
}

/* A number of seconds such as 4 or 2.5, in milliseconds; -1 for anything else. */
static int64_t read_seconds(const char *word)
{
	char *end = NULL;
	int64_t milliseconds;

	if (!only_of(word, "0123456789.", 12) || word[0] == '.')
		return -1;
	milliseconds = strtoll(word, &end, 10) * 1000;
	if (*end == '.')
		for (int64_t unit = 100; *++end != '\0' && *end != '.'; unit /= 10)
			milliseconds += (*end - '0') * unit;
	return *end == '\0' ? milliseconds : -1;
}

static void judge(struct options *options)
{
	static const char letters[]
		= "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	/* For the daemon "-" means the default. Anything like a path is refused here (R10). */
	for (size_t i = 0; i < options->count; i++) {
		const char *name = options->names[i];

		if (strcmp(name, "-") != 0
			&& (!only_of(name, letters, NAME_LIMIT) || strchr("._-", name[0]) != NULL))
			misused(name == variable(CHOICE) ? CHOICE " " : "", name,
				" is not the name of a credential");
	}
	if (!only_of(options->format, "abcdefghijklmnopqrstuvwxyz0123456789-", 32))
		misused("", options->format, " is not the name of a format");
	if (options->min_remaining != NULL && read_seconds(options->min_remaining) < 0)
		misused("--min-remaining takes seconds, not ", options->min_remaining, "");
	if (options->cache_ttl != NULL && read_seconds(options->cache_ttl) < 0)
		misused("--cache-ttl takes seconds, not ", options->cache_ttl, "");
	if (options->timeout != NULL)
		options->timeout_ms = read_seconds(options->timeout);
	if (options->timeout_ms <= 0 || options->timeout_ms > LONGEST_TIMEOUT_MS)
		misused("--timeout takes seconds up to 600, not ", options->timeout, "");
	if (options->check != NULL && strcmp(options->check, "ready") != 0)
		misused("--check knows only \"ready\", not ", options->check, "");
	/* The daemon knows what it means; here it must only stay a query. */
	if (options->status != NULL
		&& !only_of(options->status, "abcdefghijklmnopqrstuvwxyz0123456789=&", 64))
		misused("--status takes a look such as width=80&colour=1, not ", options->status, "");
}

void read_arguments(struct options *options, char **arguments)
{
	bool options_end = false;

	/* An empty argument vector is legal, and its first element may be anything. */
	for (char **argument = arguments + (arguments[0] != NULL); *argument != NULL; argument++) {
		const char *word = *argument;

		if (!options_end && strcmp(word, "--") == 0)
			options_end = true;
		else if (!options_end && word[0] == '-' && word[1] != '\0')
			read_option(options, &argument);
		else if (options->count < MOST_NAMES)
			options->names[options->count++] = word;
		else
			misused("unexpected argument ", word, "");
	}
	/* For one call; it only selects, the daemon decides. --status shows this name even if it
	 * is invalid. */
	if (options->count == 0) {
		const char *name = options->status == NULL ? variable(CHOICE) : NULL;

		options->names[options->count++] = name != NULL ? name : "-";
	}
	if (options->print == NULL)
		judge(options);
}
