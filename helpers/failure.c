/*
 * failure.c: words for people. Whatever a daemon says is cleaned before a terminal sees it.
 */
#include "failure.h"
#include "text.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

static const struct {
	const char *slug;
	int status;
	int code;
} kinds[] = {
#define CREDWARD_ROW(name, slug, status, code) { slug, status, code },
	CREDWARD_KINDS(CREDWARD_ROW)
#undef CREDWARD_ROW
};

/* Control characters (C0, DEL, C1) move cursors; bidirectional overrides make a line read as
 * another. */
static bool harmless(uint32_t point)
{
	return point >= 0x20 && !(point >= 0x7f && point < 0xa0) && point != 0x200e && point != 0x200f
		&& !(point >= 0x2028 && point <= 0x202e) && !(point >= 0x2066 && point <= 0x2069);
}

static void add_clean(struct text *line, const char *words, size_t count)
{
	const unsigned char *bytes = (const unsigned char *)words;
	uint32_t point = 0;

	for (size_t i = 0; i < count && !line->overflow;) {
		size_t length = utf8_length(bytes + i, count - i, &point);

		if (length > 0 && harmless(point))
			text_add_bytes(line, words + i, length);
		i += length > 0 ? length : 1;
	}
}

static struct text begin_line(struct failure *failure, int code)
{
	struct text line = TEXT_IN(failure->line);

	failure->code = code;
	failure->hint[0] = '\0';
	text_add(&line, "credward: ");
	return line;
}

void failure_note(struct failure *failure, int code, ...)
{
	va_list parts;
	struct text line;

	if (failure->code != CODE_OK)
		return;
	line = begin_line(failure, code);
	va_start(parts, code);
	for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
		add_clean(&line, part, strlen(part));
	va_end(parts);
}

void failure_quote(struct failure *failure, int code, const char *words, size_t length)
{
	const char *end = memchr(words, '\n', length);
	size_t first = end == NULL ? length : (size_t)(end - words);
	struct text hint = TEXT_IN(failure->hint);
	struct text line;

	if (failure->code != CODE_OK)
		return;
	line = begin_line(failure, code);
	add_clean(&line, words, first);
	if (end == NULL)
		return;
	length -= first + 1;
	end = memchr(words + first + 1, '\n', length);
	add_clean(&hint, words + first + 1, end == NULL ? length : (size_t)(end - words) - first - 1);
}

void failure_forget(struct failure *failure)
{
	failure->code = CODE_OK;
	failure->line[0] = '\0';
	failure->hint[0] = '\0';
}

int failure_report(const struct failure *failure)
{
	static char said[2 * LINE_LIMIT + 16];
	struct text all = TEXT_IN(said);
	ssize_t written;

	text_add(&all, failure->line);
	text_add(&all, "\n");
	if (failure->hint[0] != '\0' && isatty(STDERR_FILENO) == 1) {
		text_add(&all, "hint: ");
		text_add(&all, failure->hint);
		text_add(&all, "\n");
	}
	/* One write: lines of helpers that fail together must not mix. There is nobody to tell that
	 * it failed. */
	written = write(STDERR_FILENO, said, all.used);
	(void)written;
	return failure->code;
}

int failure_code(const char *kind, int status)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].slug, kind) == 0)
			return kinds[i].code;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].status == status)
			return kinds[i].code;
	return CODE_INTERNAL;
}
