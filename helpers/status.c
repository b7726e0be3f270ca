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

/* Length of a colour (SGR, ECMA-48 8.3.117) that `bytes` begin with, else 0. */
static size_t colour_length(const char *bytes, size_t count)
{
	size_t length = 2;

	if (count < 3 || bytes[0] != '\033' || bytes[1] != '[')
		return 0;
	while (length < count && bytes[length] >= '0' && bytes[length] <= '9')
		length++;
	return length < count && bytes[length] == 'm' ? length + 1 : 0;
}

bool status_is_text(const struct answer *answer)
{
	size_t length;

	if (!answer->plain || answer->length == 0 || answer->body[answer->length - 1] != '\n')
		return false;
	for (size_t i = 0; i < answer->length; i += length) {
		const char *at = answer->body + i;
		size_t left = answer->length - i;

		length = *at == '\n' ? 1 : plain_length(at, left);
		if (length == 0)
			length = colour_length(at, left);
		if (length == 0)
			return false;
	}
	return true;
}
