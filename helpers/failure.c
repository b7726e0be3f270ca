/*
 * failure.c: the end, with a message for people, and the alarm that causes it. Text from a daemon is
 * cleaned before it goes to a terminal.
 */
#include "helper.h"

#include <stdarg.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Repeated: the first one may come just before the call that it should interrupt. */
#define AGAIN_US 50000

static const struct {
	const char *slug;
	int status;
	int code;
} kinds[] = {
#define CREDWARD_ROW(name, slug, status, code) { slug, status, code },
	CREDWARD_KINDS(CREDWARD_ROW)
#undef CREDWARD_ROW
};

static char line[LINE_LIMIT + 1], hint[LINE_LIMIT + 1];
int failure = CODE_OK;
bool failure_means_no, failure_is_answer;

void failure_forget(void)
{
	failure = CODE_OK;
	line[0] = hint[0] = '\0';
}

static int64_t deadline;
static const char *awaited = "";
volatile sig_atomic_t alarm_only_interrupts;

static void add_clean(struct text *text, const char *words, size_t count)
{
	for (size_t i = 0; i < count && !text->overflow;) {
		size_t length = plain_length(words + i, count - i);

		text_add_bytes(text, words + i, length);
		i += length > 0 ? length : 1;
	}
}

void failure_note(int code, ...)
{
	struct text text = TEXT_IN(line);
	va_list parts;

	if (failure != CODE_OK)
		return;
	text_add(&text, "credward: ");
	va_start(parts, code);
	for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
		add_clean(&text, part, strlen(part));
	va_end(parts);
	/* Last, because an alarm in between notes its own failure. */
	failure = code;
}

void fail_quoting(int code, const char *words, size_t length)
{
	const char *end = memchr(words, '\n', length), *rest = end == NULL ? words + length : end + 1;
	size_t left = length - (size_t)(rest - words);
	struct text first = TEXT_IN(line), second = TEXT_IN(hint);

	if (failure != CODE_OK)
		leave();
	text_add(&first, "credward: ");
	add_clean(&first, words, (size_t)(rest - words));
	end = memchr(rest, '\n', left);
	add_clean(&second, rest, end == NULL ? left : (size_t)(end - rest));
	failure = code;
	leave();
}

int failure_code(const char *kind, int status)
{
	int code = CODE_INTERNAL;

	/* The first kind of a status is what it usually means. */
	for (size_t i = sizeof(kinds) / sizeof(kinds[0]); i-- > 0;) {
		if (strcmp(kinds[i].slug, kind) == 0)
			return kinds[i].code;
		if (kinds[i].status == status)
			code = kinds[i].code;
	}
	return code;
}

static int64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void deadline_set(int64_t milliseconds)
{
	deadline = now_ms() + milliseconds;
}

int64_t left_ms(void)
{
	int64_t left = deadline - now_ms();

	return left > 0 ? left : 0;
}

void alarm_in(int64_t milliseconds, void (*handler)(int))
{
	int64_t delay = milliseconds > 0 ? milliseconds : 1; /* none at all would mean no alarm */
	struct itimerval timer
		= { { 0, AGAIN_US }, { (time_t)(delay / 1000), (suseconds_t)(delay % 1000) * 1000 } };
	struct sigaction action = { .sa_handler = handler }; /* no SA_RESTART */
	sigset_t alarms;

	/* The process that started us may have ignored or blocked SIGALRM, and both are inherited. */
	(void)sigemptyset(&alarms);
	(void)sigaddset(&alarms, SIGALRM);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static void say(void)
{
	static char said[2 * LINE_LIMIT + 16];
	struct text all = TEXT_IN(said);
	ssize_t written;

	text_add(&all, line);
	text_add(&all, "\n");
	if (hint[0] != '\0' && isatty(STDERR_FILENO) == 1) {
		text_add(&all, "hint: ");
		text_add(&all, hint);
		text_add(&all, "\n");
	}
	/* One write: lines of helpers that fail together must not mix. There is nobody to tell that
	 * it failed. */
	written = write(STDERR_FILENO, said, all.used);
	(void)written;
}

/* Print the failure as an answer; return whether it was written. What is noted is clean, so only
 * two characters need a backslash in JSON (RFC 8259, 7). */
static bool answer_failure(void)
{
	static char said[2 * LINE_LIMIT + 100];
	struct text all = TEXT_IN(said);

	text_add(&all, "{\"version\":1,\"success\":false,\"code\":\"");
	text_add_number(&all, (unsigned)failure);
	text_add(&all, "\",\"message\":\"");
	for (const char *byte = line; *byte != '\0'; byte++) {
		if (*byte == '"' || *byte == '\\')
			text_add(&all, "\\");
		text_add_bytes(&all, byte, 1);
	}
	text_add(&all, "\"}\n");
	return write(STDOUT_FILENO, said, all.used) == (ssize_t)all.used;
}

void leave(void)
{
	alarm_only_interrupts = 1;
	answer_wipe(failure != CODE_OK);
	if (failure == CODE_OK)
		_exit(CODE_OK);
	/* Nobody may read standard error. */
	end_in(left_ms());
	if (failure_is_answer && answer_failure())
		_exit(CODE_OK);
	say();
	_exit(failure_means_no ? CODE_NO : failure);
}

static void time_out(int number)
{
	(void)number;
	if (!alarm_only_interrupts)
		fail(CODE_TIMED_OUT, awaited);
}

void end_in(int64_t milliseconds)
{
	alarm_in(milliseconds, time_out);
}

void await(const char *words)
{
	awaited = words;
}
