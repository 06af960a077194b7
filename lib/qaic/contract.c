/* SPDX-License-Identifier: BSD-3-Clause
 * contract.c - the class of a model, by the inputs and outputs it has. */

#include "contract.h"

const ModelKindRow model_kinds[MODEL_KIND_COUNT] = {
	[MODEL_OTHER] = {"a model of no known class", NULL},
	[MODEL_CAUSAL] = {"a decoder", NULL},
	[MODEL_ADAPTER] = {"a decoder with adapter inputs", NULL},
	[MODEL_SPEECH] = {"a speech model", NULL},
	[MODEL_TEXT2TEXT] = {"an encoder-decoder", NULL},
	[MODEL_CTC] = {"a CTC model", "CTC"},
	[MODEL_EMBED] = {"a text encoder", "Embedding"},
	[MODEL_CLASSIFY] = {"a text classifier", "SeqClassification"},
	[MODEL_VISION] = {"a vision encoder", "Vision"},
};

const char *
io_base(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

Value *
model_input(const Graph *g, const char *name)
{
	for (int i = 0; i < g->nin; i++)
		if (strcmp(io_base(g->in[i]->name), name) == 0)
			return g->in[i];
	return NULL;
}

Value *
retained_input(const Graph *g, const Value *out)
{
	static const char *const suffix[] = {"_InternalRetainedState",
	                                     "_RetainedState"};

	for (size_t k = 0; k < LEN(suffix); k++) {
		size_t n = strlen(out->name), cut = strlen(suffix[k]);

		if (!str_ends(out->name, suffix[k]))
			continue;
		for (int i = 0; i < g->nin; i++)
			if (strlen(g->in[i]->name) == n - cut &&
			    strncmp(g->in[i]->name, out->name, n - cut) == 0)
				return g->in[i];
	}
	return NULL;
}

static bool
has_output(const Graph *g, const char *name)
{
	for (int i = 0; i < g->nout; i++)
		if (strcmp(io_base(g->out[i]->name), name) == 0)
			return true;
	return false;
}

/* Retained tensors, and whether weights are among them. */
static int
count_states(const Graph *g, bool *weights)
{
	int n = 0;

	*weights = false;
	for (int i = 0; i < g->nout; i++) {
		const Value *in = retained_input(g, g->out[i]);

		n += in != NULL;
		if (in && str_ends(in->name, ".weight"))
			*weights = true;
	}
	return n;
}

enum ModelKind
model_kind(const Graph *g)
{
	bool weights, ids = model_input(g, "input_ids") != NULL;
	int states = count_states(g, &weights);

	if (model_input(g, "input_features") && ids)
		return MODEL_SPEECH;
	if (model_input(g, "encoder_input_ids") && states)
		return MODEL_TEXT2TEXT;
	if (model_input(g, "position_ids") && states)
		return weights ? MODEL_ADAPTER : MODEL_CAUSAL;
	if (model_input(g, "input_values"))
		return MODEL_CTC;
	if (model_input(g, "pixel_values"))
		return MODEL_VISION;
	if (ids)
		return has_output(g, "logits") ? MODEL_CLASSIFY : MODEL_EMBED;
	return MODEL_OTHER;
}
