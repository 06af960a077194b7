/* SPDX-License-Identifier: BSD-3-Clause
 * tok_bytes.c - bytes as text: the byte-level alphabet, and base64.
 *
 * The alphabet writes every byte as one printable character: 33-126, 161-172 and 174-255 stand for themselves; the other 68 bytes are
 * U+0100 and on, in order (GPT-2's encoder). */

#include "tok.h"

enum { PLAIN = 0x100 };

static bool
stands(int b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

/* bytes 0-32, 127-160 and 173 */
static uint32_t
rune_of(int b)
{
	if (stands(b))
		return (uint32_t)b;
	return (uint32_t)(PLAIN + (b <= 32 ? b : b <= 160 ? b - 127 + 33 : 67));
}

void
bytes_spread(Span s, Buf *out)
{
	char two[2 * 256], *p = two;

	for (size_t i = 0; i < s.n; i++) {
		p += utf8_put(rune_of((unsigned char)s.p[i]), p);
		if (p - two > 2 * 255) {
			buf_add(out, two, (size_t)(p - two));
			p = two;
		}
	}
	buf_add(out, two, (size_t)(p - two));
}

int
bytes_value(uint32_t ch)
{
	if (ch < PLAIN)
		return stands((int)ch) ? (int)ch : -1;
	ch -= PLAIN;
	return ch <= 32   ? (int)ch
	       : ch <= 66 ? (int)ch - 33 + 127
	       : ch == 67 ? 173
	                  : -1;
}

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
sextet(char c)
{
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

bool
base64_decode(Span s, Buf *out)
{
	uint32_t acc = 0, bits = 0;

	while (s.n > 0 && s.p[s.n - 1] == '=')
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		int v = sextet(s.p[i]);

		if (v < 0)
			return false;
		acc = acc << 6 | (uint32_t)v;
		if ((bits += 6) >= 8)
			buf_char(out, (char)(acc >> (bits -= 8) & 0xff));
	}
	return true;
}

void
base64_encode(Span s, Buf *out)
{
	uint32_t acc = 0, bits = 0;

	for (size_t i = 0; i < s.n; i++) {
		acc = acc << 8 | (unsigned char)s.p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			buf_char(out, digits[acc >> (bits - 6) & 63]);
	}
	if (bits)
		buf_char(out, digits[acc << (6 - bits) & 63]);
}
