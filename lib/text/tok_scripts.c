/* SPDX-License-Identifier: BSD-3-Clause
 * tok_scripts.c - the script of every code point, for UnicodeScripts.
 *
 * PCRE2 knows scripts only as properties in patterns, so the table is read
 * off one pattern with an alternative per script, run over all code points.
 * Hiragana and Katakana count as Han, as in SentencePiece; what has
 * no script is 0, "any". */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "tok.h"

/* Unicode 14, long names */
static const char *const name[] = {
	"Han",
	"Hiragana",
	"Katakana",
	"Common",
	"Inherited",
	"Adlam",
	"Ahom",
	"Anatolian_Hieroglyphs",
	"Arabic",
	"Armenian",
	"Avestan",
	"Balinese",
	"Bamum",
	"Bassa_Vah",
	"Batak",
	"Bengali",
	"Bhaiksuki",
	"Bopomofo",
	"Brahmi",
	"Braille",
	"Buginese",
	"Buhid",
	"Canadian_Aboriginal",
	"Carian",
	"Caucasian_Albanian",
	"Chakma",
	"Cham",
	"Cherokee",
	"Chorasmian",
	"Coptic",
	"Cuneiform",
	"Cypriot",
	"Cypro_Minoan",
	"Cyrillic",
	"Deseret",
	"Devanagari",
	"Dives_Akuru",
	"Dogra",
	"Duployan",
	"Egyptian_Hieroglyphs",
	"Elbasan",
	"Elymaic",
	"Ethiopic",
	"Georgian",
	"Glagolitic",
	"Gothic",
	"Grantha",
	"Greek",
	"Gujarati",
	"Gunjala_Gondi",
	"Gurmukhi",
	"Hangul",
	"Hanifi_Rohingya",
	"Hanunoo",
	"Hatran",
	"Hebrew",
	"Imperial_Aramaic",
	"Inscriptional_Pahlavi",
	"Inscriptional_Parthian",
	"Javanese",
	"Kaithi",
	"Kannada",
	"Kayah_Li",
	"Kharoshthi",
	"Khitan_Small_Script",
	"Khmer",
	"Khojki",
	"Khudawadi",
	"Lao",
	"Latin",
	"Lepcha",
	"Limbu",
	"Linear_A",
	"Linear_B",
	"Lisu",
	"Lycian",
	"Lydian",
	"Mahajani",
	"Makasar",
	"Malayalam",
	"Mandaic",
	"Manichaean",
	"Marchen",
	"Masaram_Gondi",
	"Medefaidrin",
	"Meetei_Mayek",
	"Mende_Kikakui",
	"Meroitic_Cursive",
	"Meroitic_Hieroglyphs",
	"Miao",
	"Modi",
	"Mongolian",
	"Mro",
	"Multani",
	"Myanmar",
	"Nabataean",
	"Nandinagari",
	"New_Tai_Lue",
	"Newa",
	"Nko",
	"Nushu",
	"Nyiakeng_Puachue_Hmong",
	"Ogham",
	"Ol_Chiki",
	"Old_Hungarian",
	"Old_Italic",
	"Old_North_Arabian",
	"Old_Permic",
	"Old_Persian",
	"Old_Sogdian",
	"Old_South_Arabian",
	"Old_Turkic",
	"Old_Uyghur",
	"Oriya",
	"Osage",
	"Osmanya",
	"Pahawh_Hmong",
	"Palmyrene",
	"Pau_Cin_Hau",
	"Phags_Pa",
	"Phoenician",
	"Psalter_Pahlavi",
	"Rejang",
	"Runic",
	"Samaritan",
	"Saurashtra",
	"Sharada",
	"Shavian",
	"Siddham",
	"SignWriting",
	"Sinhala",
	"Sogdian",
	"Sora_Sompeng",
	"Soyombo",
	"Sundanese",
	"Syloti_Nagri",
	"Syriac",
	"Tagalog",
	"Tagbanwa",
	"Tai_Le",
	"Tai_Tham",
	"Tai_Viet",
	"Takri",
	"Tamil",
	"Tangsa",
	"Tangut",
	"Telugu",
	"Thaana",
	"Thai",
	"Tibetan",
	"Tifinagh",
	"Tirhuta",
	"Toto",
	"Ugaritic",
	"Vai",
	"Vithkuqi",
	"Wancho",
	"Warang_Citi",
	"Yezidi",
	"Yi",
	"Zanabazar_Square",
};

enum { KANA = 3, LAST = 0x10ffff };

static pcre2_code *
compile(Build *b)
{
	Buf *p = buf_new(b->a);
	pcre2_code *code;
	size_t at;
	int err;

	for (size_t i = 0; i < LEN(name); i++)
		buf_fmt(p, "%s\\p{sc:%s}+(*MARK:%zu)", i ? "|" : "", name[i],
		        i + 1);
	code = pcre2_compile((PCRE2_SPTR)p->p, p->n, PCRE2_UTF, &err, &at,
	                     NULL);
	if (!code)
		fail(b->c, QE_MISSING, "PCRE2 lacks a script: '%.40s'",
		     p->p + at);
	else
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* or not */
	return code;
}

static void
put_range(Build *b, const char *p, const char *q, unsigned long script)
{
	ScriptRange r = {.script = script <= KANA ? SCRIPT_HAN
	                                          : (uint32_t)script};
	const char *last = utf8_back(p, q);

	utf8_get(p, &r.from);
	utf8_get(last, &r.to);
	buf_add(b->sec[SEC_RANGE], &r, sizeof r);
}

static Buf *
all_code_points(Arena *a)
{
	Buf *s = buf_new(a);

	for (uint32_t ch = 1; ch <= LAST; ch++)
		if (ch < 0xd800 || ch > 0xdfff)
			buf_utf8(s, ch);
	return s;
}

bool
build_scripts(Build *b)
{
	pcre2_code *code;
	pcre2_match_data *m;
	Buf *s = all_code_points(b->a);
	size_t at = 0;

	if (build_count(b, SEC_RANGE))
		return true;
	if (!(code = compile(b)))
		return false;
	if (!(m = pcre2_match_data_create(1, NULL)))
		qe_nomem();
	while (pcre2_match(code, (PCRE2_SPTR)s->p, s->n, at, PCRE2_NO_UTF_CHECK,
	                   m, NULL) > 0) {
		const size_t *pos = pcre2_get_ovector_pointer(m);

		put_range(b, s->p + pos[0], s->p + pos[1],
		          strtoul((const char *)pcre2_get_mark(m), NULL, 10));
		at = pos[1];
	}
	pcre2_match_data_free(m);
	pcre2_code_free(code);
	return true;
}
