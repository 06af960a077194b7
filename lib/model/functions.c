/* SPDX-License-Identifier: BSD-3-Clause
 * functions.c - calls of the local functions of lib/op/function.c. */

#include "build.h"
#include "op.h"

static const char own[] = "qeff";
static const char cloud[] = "com.qualcomm.cloud", qti[] = "com.qti.aisw.onnx";

static Node *
call(Build *b, const char *domain, const char *name, int n, Value **in)
{
	Value *out;
	Node *node;

	for (int i = 0; i < n; i++)
		if (!in[i])
			return NULL;
	function_add(b->g, domain, name);
	out = value_new(b->g,
	                b->layer < 0 ? name
	                             : arena_str(b->a, "layers.%d/%s", b->layer,
	                                         name),
	                DT_NONE, NULL);
	node = node_new(b->g, domain, name, n, in, 1, &out);
	node->name = out->name;
	return node;
}

Value *
call_ctx(Build *b, const char *name, int n, Value **in)
{
	Node *node = call(b, cloud, name, n, in);

	return node ? node->out[0] : NULL;
}

Value *
call_experts(Build *b, Value *x, Value *w, Value *index)
{
	Node *n;

	function_add_way(b->g, own, "ExpertMatMul", b->experts);
	n = call(b, own, "ExpertMatMul", 3, (Value *[]){x, w, index});
	return n ? n->out[0] : NULL;
}

Value *
call_norm(Build *b, Value *x, Value *w, double eps)
{
	Node *n = call(b, qti, "CustomRMSNorm", 2, (Value *[]){x, w});

	if (!n)
		return NULL;
	attr_set_float(b->g, n, "epsilon", eps);
	return n->out[0];
}
