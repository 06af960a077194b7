/* SPDX-License-Identifier: BSD-3-Clause
 * mdp.c - which device does what: partition files of several devices.
 *
 * Slices: one partition, whose devices share every tensor.  Pipeline: layers
 * one after the other, each partition a run of them; a node belongs to the
 * layer its name tells, else to that of the node before it.
 * Source: QEfficient ebf55e81, QEfficient/compile/mdp_generator.py. */

#include "qaic.h"

enum { MAXPART = 64, INLINED = 100, MAXDUMP = 1 << 30 };

static Json *
connections(Json *root, int64_t devices)
{
	Json *list = json_object_new_array(), *o = json_object_new_object(),
	     *ids = json_object_new_array();

	for (int64_t d = 0; d < devices; d++)
		json_push(ids, json_object_new_int64(d));
	json_put(o, "devices", ids);
	json_put_str(o, "type", "p2p");
	json_push(list, o);
	json_put(root, "connections", list);
	list = json_object_new_array();
	json_put(root, "partitions", list);
	return list;
}

static Json *
partition(Arena *a, Json *list, int64_t from, int64_t to, int64_t cores)
{
	Json *p = json_object_new_object(), *devs = json_object_new_array();

	json_put_str(p, "name", arena_str(a, "Partition%zu", json_len(list)));
	for (int64_t d = from; d < to; d++) {
		Json *o = json_object_new_object();

		json_put_int(o, "deviceId", d);
		if (cores)
			json_put_int(o, "numCores", cores);
		json_push(devs, o);
	}
	json_put(p, "devices", devs);
	json_push(list, p);
	return p;
}

Json *
mdp_slices(Arena *a, int64_t devices, int64_t cores)
{
	Json *root = json_new(a);

	partition(a, connections(root, devices), 0, devices, cores);
	return root;
}

/* ---- pipelines ---- */

typedef struct Cut {
	int64_t parts;
	int64_t bound[MAXPART]; /* first layer after each partition */
} Cut;

/* Layers that are over go to the middle partitions, from the centre out;
 * what is over still, to the first.  The last has the head to do. */
static Cut
cut_layers(int64_t layers, int64_t parts)
{
	int64_t size[MAXPART], over = layers % parts, at = 0;
	int64_t left = (1 + parts - 2) / 2, right = left + 1, middle;
	Cut c = {.parts = parts};

	for (int64_t i = 0; i < parts; i++)
		size[i] = layers / parts;
	if (parts == 2)
		size[0] += over;
	middle = parts > 2 ? MIN(over, parts - 2) : 0;
	for (int64_t done = 0; done < middle;) {
		if (left >= 1) {
			size[left--]++;
			done++;
		}
		if (done < middle && right <= parts - 2) {
			size[right++]++;
			done++;
		}
	}
	if (parts > 2 && over > middle)
		size[0]++;
	for (int64_t i = 0; i < parts; i++)
		c.bound[i] = at += size[i];
	return c;
}

static int64_t
partition_of(const Cut *c, int64_t layer)
{
	for (int64_t i = 0; i < c->parts - 1; i++)
		if (layer < c->bound[i])
			return i;
	return c->parts - 1;
}

/* The layer in a name's part "layers.3", "h.3" or "layer_3"; -1: none. */
static int64_t
layer_of(Arena *a, const char *name)
{
	static const char *const mark[] = {"layers.", "h.", "layer_"};
	char **part = str_split(a, name, '/');
	int64_t n;

	for (; *part; part++)
		for (size_t i = 0; i < LEN(mark); i++) {
			const char *digits = *part + strlen(mark[i]);

			if (str_starts(*part, mark[i]) &&
			    strspn(digits, "0123456789") == strlen(digits) &&
			    str_int(digits, &n))
				return n;
		}
	return -1;
}

static int64_t
count_layers(const Graph *g)
{
	Arena a = {0};
	int64_t most = -1;

	for (int i = 0; i < g->nnode; i++)
		most = MAX(most, layer_of(&a, g->node[i]->name));
	arena_free(&a);
	return most + 1;
}

/* Nodes that the compiler computes itself, and so does not know: all inputs
 * are constant.  Their outputs are marked. */
static bool
is_folded(const Node *n)
{
	static const char *const kept[] =
		{"Loop", "Const", "Identity", "If", "DequantizeLinear", NULL};

	if (!*n->name || !n->nin || str_in(n->type, kept))
		return false;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && !value_is_const(n->in[i]) && !n->in[i]->mark)
			return false;
	return true;
}

void
mark_folded(Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++)
		((Value *)g->value->item[i].value)->mark = 0;
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++)
			if (g->node[i]->out[k])
				g->node[i]->out[k]->mark =
					is_folded(g->node[i]) ||
							(!g->node[i]->nin &&
				                         strcmp(g->node[i]
				                                        ->type,
				                                "Constant") ==
				                                 0)
						? FOLDED
						: 0;
}

static void
push_name(Json *list, const char *name, const Dict *keep)
{
	if (*name && (!keep || dict_has(keep, name)))
		json_push(list, json_object_new_string(name));
}

/* A function of few nodes is inlined by the compiler, and its nodes get names
 * below the call's; the custom operators it knows are not. */
static void
push_node(Arena *a, const Graph *g, const Node *n, Json *list, const Dict *keep)
{
	static const char *const known[] = {"CustomRMSNorm", "CastToUInt4",
	                                    NULL};
	const Function *f = graph_function(g, n->domain, n->type);

	if (!f || str_in(n->type, known) || f->body->nnode >= INLINED) {
		push_name(list, n->name, keep);
		return;
	}
	for (int i = 0; i < f->body->nnode; i++)
		if (*f->body->node[i]->name)
			push_name(list,
			          arena_str(a, "%s/%s", n->name,
			                    f->body->node[i]->name),
			          keep);
}

static bool
read_dump(Ctx *c, Arena *a, const char *path, Dict **out)
{
	const Json *o = json_read(c, a, path, MAXDUMP),
		   *parts = json_get(o, "partitions");

	*out = dict_new(a);
	for (size_t i = 0; i < json_len(parts); i++) {
		const Json *names = json_get(json_at(parts, i), "nodeList");

		for (size_t k = 0; k < json_len(names); k++)
			dict_set(*out, json_str(json_at(names, k), ""), *out);
	}
	return o != NULL;
}

Json *
mdp_pipeline(Ctx *c, Arena *a, Graph *g, int64_t devices, int64_t parts,
             int64_t cores, const char *dump)
{
	int64_t layers = count_layers(g), at = 0, layer, each = devices / parts;
	Json *root = json_new(a), *list = connections(root, devices);
	Json *names[MAXPART];
	Dict *keep = NULL;
	Cut cut;

	if (parts > MAXPART || parts > devices)
		return fail(c, QE_USAGE,
		            "--mdp-num-partitions %lld: more than %lld",
		            (long long)parts, (long long)MIN(devices, MAXPART)),
		       NULL;
	if (layers < 1)
		return fail(c, QE_INPUT,
		            "--mdp-num-partitions: no node's name tells its layer"),
		       NULL;
	if (dump && !read_dump(c, a, dump, &keep))
		return NULL;
	cut = cut_layers(layers, parts);
	for (int64_t p = 0; p < parts; p++) {
		Json *o = partition(a, list, p * each, (p + 1) * each, cores);

		names[p] = json_object_new_array();
		json_put(o, "nodeList", names[p]);
	}
	mark_folded(g);
	for (int i = 0; i < g->nnode; i++) {
		if (!*g->node[i]->name || is_folded(g->node[i]))
			continue;
		layer = layer_of(a, g->node[i]->name);
		at = layer < 0 ? at : partition_of(&cut, layer);
		push_node(a, g, g->node[i], names[at], keep);
	}
	return root;
}
