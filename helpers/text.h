/*
 * text.h: text put together in a buffer of fixed size; what does not fit is noted, never written.
 */
#ifndef CREDWARD_TEXT_H
#define CREDWARD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	char *at;
	size_t room; /* bytes at `at`, the closing NUL included */
	size_t used;
	bool overflow;
};

#define TEXT_IN(array) { (array), sizeof(array), 0, false }

static inline void text_add_bytes(struct text *text, const char *bytes, size_t count)
{
	if (count >= text->room - text->used) {
		text->overflow = true;
		return;
	}
	memcpy(text->at + text->used, bytes, count);
	text->used += count;
	text->at[text->used] = '\0';
}

static inline void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

/* An absolute path of a folder, to which names with a slash in front are added: the root is empty. */
static inline void text_add_folder(struct text *text, const char *path)
{
	text_add(text, strcmp(path, "/") == 0 ? "" : path);
}

/* Cut such a path, which is not the root, to that of the folder above. */
static inline void text_to_parent(struct text *path)
{
	path->used = (size_t)(strrchr(path->at, '/') - path->at);
	path->at[path->used] = '\0';
}

static inline void text_add_number(struct text *text, unsigned long long number)
{
	char digits[24];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	text_add_bytes(text, digits + first, sizeof(digits) - first);
}

/* Seconds with milliseconds behind the point, without closing zeros: 1500 -> "1.5", 4000 -> "4". */
static inline void text_add_seconds(struct text *text, unsigned long long milliseconds)
{
	unsigned long long fraction = milliseconds % 1000;
	char digits[4] = { '.', (char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
		(char)('0' + fraction % 10) };
	size_t count = sizeof(digits);

	text_add_number(text, milliseconds / 1000);
	while (count > 1 && digits[count - 1] == '0')
		count--;
	if (count > 1)
		text_add_bytes(text, digits, count);
}

/* Percent-encoding (RFC 3986): all but the unreserved characters, each behind the sign `percent`. */
static inline void text_add_encoded(struct text *text, const char *string, const char *percent)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
									 "0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	for (; *string != '\0'; string++) {
		unsigned char byte = (unsigned char)*string;
		char digits[2] = { hex[byte >> 4], hex[byte & 15] };

		if (strchr(unreserved, byte) != NULL) {
			text_add_bytes(text, string, 1);
		} else {
			text_add(text, percent);
			text_add_bytes(text, digits, sizeof(digits));
		}
	}
}

#endif
