/* SPDX-License-Identifier: BSD-3-Clause */
/* unicode.h - characters: classes, case, normal forms. */

#ifndef UNICODE_H
#define UNICODE_H

#include "utf8.h"

bool is_space(uint32_t);      /* White_Space */
bool is_number(uint32_t);     /* Nd Nl No */
bool is_mark(uint32_t);       /* Mn Mc Me */
bool is_accent(uint32_t);     /* Mn, of Unicode 8 */
bool is_scriptless(uint32_t); /* newer than the reference's scripts */
bool is_punct(uint32_t);      /* P*, and all ASCII punctuation; of Unicode 8 */
bool is_other(uint32_t);      /* Cc Cf Co, of Unicode 8 */
bool is_han(uint32_t);        /* what BERT calls a Chinese character */

/* Lower case of one character, without context: one or two of them. */
int rune_lower(uint32_t, uint32_t out[2]);
/* Bytes of the extended grapheme cluster that starts valid text. */
size_t grapheme_len(Span);

enum { FORM_COMPOSE = 1, FORM_COMPAT = 2 };
/* Appends s in normal form: NFD 0, NFC 1, NFKD 2, NFKC 3. */
bool text_form(Ctx *, Span s, int form, Buf *out);
bool is_ascii(Span);

#endif
