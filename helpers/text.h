/*
 * text.h: text put together in a buffer of fixed size; what does not fit is noted, never written.
 */
#ifndef CREDWARD_TEXT_H
#define CREDWARD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

static inline void text_cut(struct text *text, size_t used)
{
	text->used = used;
	text->at[used] = '\0';
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

/* Percent-encoding (RFC 3986): all but the unreserved characters, each after the sign `percent`. */
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

/* Length of the character that `bytes` begin with, in UTF-8, if all programs treat it the same; else
 * 0. Control characters (C0, DEL, C1) move cursors, some programs cut off white space other than the
 * space, bidirectional overrides make a line look like another one, tags (Unicode 15, 23.9) are not seen. */
static inline size_t plain_length(const char *bytes, size_t count)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	static const uint32_t odd[][2] = { { 0, 0x1f }, { 0x7f, 0xa0 }, { 0x1680, 0x1680 },
		{ 0x2000, 0x200a }, { 0x200e, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x205f },
		{ 0x2066, 0x2069 }, { 0x3000, 0x3000 }, { 0xd800, 0xdfff }, { 0xfeff, 0xfeff },
		{ 0xe0000, 0xe0fff } };
	unsigned char first = (unsigned char)bytes[0];
	size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t point = length == 1 ? first : first & (0x7fu >> length);

	if (length == 0 || length > count)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (point >= odd[i][0] && point <= odd[i][1])
			return 0;
	return point >= least[length] && point <= 0x10ffff ? length : 0;
}

#endif
