/*
 * status.c: the question for the text that `credward status` prints, and what such a text may hold. The
 * daemon writes it (broker/credward/text/status.py), in what this process looks like to a person.
 */
#include "helper.h"

/* What decides how it reads, if it is set. */
static const struct {
	const char *name, *told_as;
} told[] = {
	{ "HOME", "&home=" },
	{ CHOICE, "&choice=" },
};

void status_ask_for(struct text *question, const char *look)
{
	text_add(question, "GET /v1/credentials?");
	text_add(question, look);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const char *value = variable(told[i].name);

		if (value == NULL)
			continue;
		text_add(question, told[i].told_as);
		text_add_encoded(question, value, "%");
	}
}

/* What ends a colour, and those of broker/credward/text/styles.py (SGR, ECMA-48 8.3.117): others
 * hide text. */
#define PLAIN "\033[0m"
static const char *const colours[] = { "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[36m" };

static bool begins_with(const char *bytes, size_t count, const char *word)
{
	return count >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

/* Length of the colour, or of its end, that `bytes` begin with, else 0; `coloured` says whether text
 * is coloured there, and afterwards. */
static size_t colour_length(const char *bytes, size_t count, bool *coloured)
{
	if (*coloured) {
		*coloured = !begins_with(bytes, count, PLAIN);
		return *coloured ? 0 : strlen(PLAIN);
	}
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (begins_with(bytes, count, colours[i])) {
			*coloured = true;
			return strlen(colours[i]);
		}
	}
	return 0;
}

bool status_is_text(const struct answer *answer)
{
	bool coloured = false;
	size_t length;

	if (!answer->plain || answer->length == 0 || answer->body[answer->length - 1] != '\n')
		return false;
	for (size_t i = 0; i < answer->length; i += length) {
		const char *at = answer->body + i;
		size_t left = answer->length - i;

		length = *at == '\n' ? 1 : plain_length(at, left);
		if (length == 0)
			length = colour_length(at, left, &coloured);
		if (length == 0)
			return false;
	}
	return !coloured;
}
