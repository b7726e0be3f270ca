/*
 * utf8.h: the characters of bytes that others wrote.
 */
#ifndef CREDWARD_UTF8_H
#define CREDWARD_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed UTF-8 sequence at `bytes`, 0 if there is none; `*point` is what it
 * stands for. */
static inline size_t utf8_length(const unsigned char *bytes, size_t count, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = bytes[0];
	size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (length == 0 || length > count || first > 0xf4)
		return 0;
	*point = length == 1 ? first : first & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (bytes[i] & 0x3f);
	}
	if (*point < least[length] || (*point >= 0xd800 && *point < 0xe000) || *point > 0x10ffff)
		return 0;
	return length;
}

#endif
