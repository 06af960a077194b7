/* SPDX-License-Identifier: BSD-3-Clause
 * functions.c - calls of the local functions of lib/op/function.c. */

#include "build.h"
#include "op.h"

static const char cloud[] = "com.qualcomm.cloud", qti[] = "com.qti.aisw.onnx";

void
function_ctx(Build *b)
{
	function_add(b->g, cloud, "CtxScatter");
	function_add(b->g, cloud, "CtxGather");
}

Value *
call_norm(Build *b, Value *x, Value *w, double eps)
{
	Value *in[] = {x, w}, *out;
	Node *n;

	if (!x || !w)
		return NULL;
	function_add(b->g, qti, "CustomRMSNorm");
	out = value_new(b->g,
	                b->layer < 0
	                        ? "CustomRMSNorm"
	                        : arena_str(b->a, "layers.%d/CustomRMSNorm",
	                                    b->layer),
	                DT_NONE, NULL);
	n = node_new(b->g, qti, "CustomRMSNorm", 2, in, 1, &out);
	n->name = out->name;
	attr_set_float(b->g, n, "epsilon", eps);
	return out;
}
