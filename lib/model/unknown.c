/* SPDX-License-Identifier: BSD-3-Clause
 * unknown.c - what to say of a model_type that has no file.
 *
 * The names most like it, by how they begin; and, from keys of the
 * configuration that no block of ours would read, what would have to be
 * built. */

#include <dirent.h>

#include "arch.h"

enum { MAXNEAR = 3, LEAST = 3 };

/* clang-format off */
static const struct {
	const char *key, *block;
} blocks_by_key[] = {
	{"ssm_*",             "state space"},
	{"mamba_*",           "state space"},
	{"state_size",        "state space"},
	{"time_step_rank",    "state space"},
	{"attention_hidden_size", "receptance (rwkv)"},
	{"vision_config",     "vision tower"},
	{"audio_config",      "audio tower"},
	{"num_mel_bins",      "audio front end"},
	{"image_size",        "image patches"},
	{"feat_extract_norm", "audio front end"},
	{"cross_attention_layers", "cross attention"},
	{"*lru_width",        "recurrent unit"},
	{"expand_ratio",      "depthwise expansion"},
	{"altup_*",           "alternating updates"},
	{"hidden_size_per_layer_input", "embeddings of each layer"},
	{"num_kv_shared_layers", "keys shared between layers"},
	{"index_topk",        "sparse attention by an index"},
};
/* clang-format on */

static size_t
common(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

/* The best names so far, best first. */
static void
keep(Arena *a, const char **near, const char *type, const char *name)
{
	size_t n = common(type, name);

	if (n < LEAST)
		return;
	for (int i = 0; i < MAXNEAR; i++) {
		size_t m = near[i] ? common(type, near[i]) : 0;

		if (m > n || (m == n && near[i] && strcmp(near[i], name) < 0))
			continue;
		memmove(near + i + 1, near + i,
		        (size_t)(MAXNEAR - 1 - i) * sizeof *near);
		near[i] = arena_dup(a, name);
		return;
	}
}

static void
nearest(Ctx *c, Arena *a, const char *type, Buf *b)
{
	const char *near[MAXNEAR] = {NULL};
	DIR *d = opendir(path_join(a, c->share, "arch"));
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (str_ends(e->d_name, ".json") && !strchr(e->d_name, '@'))
			keep(a, near, type,
			     arena_span(a, (Span){e->d_name,
			                          strlen(e->d_name) - 5}));
	if (d)
		closedir(d);
	for (int i = 0; i < MAXNEAR && near[i]; i++)
		buf_fmt(b, "%s'%s'", i ? ", " : "; nearest: ", near[i]);
}

static void
missing(const Json *config, Buf *b)
{
	const char *said = NULL;

	for (size_t i = 0; config && i < LEN(blocks_by_key); i++) {
		bool has = false;

		json_object_object_foreach((Json *)(uintptr_t)config, key, v)
		{
			has = has || (v && str_glob(blocks_by_key[i].key, key));
		}
		if (!has || (said && !strcmp(said, blocks_by_key[i].block)))
			continue;
		buf_fmt(b, "%s%s", said ? ", " : "; missing blocks: ",
		        blocks_by_key[i].block);
		said = blocks_by_key[i].block;
	}
}

bool
arch_unknown(Ctx *c, Arena *a, const char *type, const Json *config)
{
	Buf *b = buf_new(a);

	nearest(c, a, type, b);
	missing(config, b);
	return fail(c, QE_INPUT,
	            "model_type '%s' is not in share/arch%s (try hf-load "
	            "--list)",
	            type, b->n ? b->p : "");
}
