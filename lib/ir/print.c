/* SPDX-License-Identifier: BSD-3-Clause
 * print.c - a graph as text, one line for each thing in it.
 *
 *     graph main
 *     opset ai.onnx:17
 *     in %x : float32[batch,3]
 *     const %w : float32[3] = {1, 2, 3}
 *     const %big : float16[4096,512] = model.safetensors+1024
 *     %y = Mul(%x, %w) : float32[batch,3]
 *     out %y
 *
 * Optional inputs left out are "_".  Names with other characters than
 * letters, digits and ._/:- are quoted.  Operators outside ai.onnx have
 * their domain and a dot in front.  A constant of more than PRINT_MAX
 * elements shows "{...}"; bytes in files are not read. */

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

enum { PRINT_MAX = 16, PRINT_DEPTH = 32 };

static void
indent(Buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_char(b, '\t');
}

static void
quote(Buf *b, Span s)
{
	buf_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '"' || ch == '\\')
			buf_fmt(b, "\\%c", ch);
		else if (ch < ' ' || ch == 0x7f)
			buf_fmt(b, "\\x%02x", ch);
		else
			buf_char(b, (char)ch);
	}
	buf_char(b, '"');
}

static void
word(Buf *b, const char *s)
{
	const char *p = s;

	while (isalnum((unsigned char)*p) || (*p && strchr("._/:-", *p)))
		p++;
	if (*p || p == s)
		quote(b, SPAN(s));
	else
		buf_str(b, s);
}

static void
name(Buf *b, const Value *v)
{
	if (!v) {
		buf_char(b, '_');
		return;
	}
	buf_char(b, '%');
	word(b, v->name);
}

/* The fewest digits that read back as the same float; always a float. */
static void
put_float(Buf *b, double x, int digits)
{
	char s[40];

	for (int p = 6; p <= digits; p++) {
		snprintf(s, sizeof s, "%.*g", p, x);
		if (digits == 9 ? strtof(s, NULL) == (float)x
		                : strtod(s, NULL) == x)
			break;
	}
	buf_str(b, s);
}

static void
attr_number(Buf *b, double x)
{
	put_float(b, x, 9);
	if (isfinite(x) && x == floor(x) && fabs(x) < 1e5)
		buf_str(b, ".0");
}

static int64_t
integer(const void *p, size_t size, bool sign)
{
	uint64_t u = 0;
	int shift = 64 - 8 * (int)size;

	for (size_t i = 0; i < size; i++)
		u |= (uint64_t)((const unsigned char *)p)[i] << 8 * i;
	if (sign && shift && u >> (63 - shift))
		u |= ~(uint64_t)0 << (64 - shift);
	return (int64_t)u;
}

static void
element(Buf *b, DType t, const char *p)
{
	float f;
	double d;
	Span s;

	switch (t) {
	case DT_F32:
		memcpy(&f, p, sizeof f);
		put_float(b, (double)f, 9);
		return;
	case DT_F64:
		memcpy(&d, p, sizeof d);
		put_float(b, d, 17);
		return;
	case DT_F16:
		f = f16_to_f32((uint16_t)integer(p, 2, false));
		put_float(b, (double)f, 9);
		return;
	case DT_BF16:
		f = bf16_to_f32((uint16_t)integer(p, 2, false));
		put_float(b, (double)f, 9);
		return;
	case DT_STRING:
		memcpy(&s, p, sizeof s);
		quote(b, s);
		return;
	default:
		buf_fmt(b, "%lld",
		        (long long)integer(p, dtypes[t].size,
		                           dtypes[t].class == 'I'));
	}
}

/* Packed and 8-bit floats are told by their codes. */
static void
elements(Buf *b, const Value *v)
{
	int64_t n = shape_count(&v->shape);
	const DTypeInfo *t = &dtypes[v->type];

	if (n < 0 || n > PRINT_MAX || !v->data.mem || t->class == 'C') {
		buf_str(b, "{...}");
		return;
	}
	n = t->bits < 8 ? v->data.len : n;
	buf_char(b, '{');
	for (int64_t i = 0; i < n; i++) {
		buf_str(b, i ? ", " : "");
		element(b, v->type,
		        (const char *)v->data.mem + (size_t)i * t->size);
	}
	buf_char(b, '}');
}

static void
dims(Buf *b, const Value *v)
{
	if (v->shape.rank < 0) {
		buf_str(b, "[...]");
		return;
	}
	buf_char(b, '[');
	for (int i = 0; i < v->shape.rank; i++) {
		buf_str(b, i ? "," : "");
		if (v->shape.dim[i] < 0 && v->sym && v->sym[i])
			word(b, v->sym[i]);
		else if (v->shape.dim[i] < 0)
			buf_char(b, '?');
		else
			buf_fmt(b, "%lld", (long long)v->shape.dim[i]);
	}
	buf_char(b, ']');
}

void
value_print_type(Buf *b, const Value *v)
{
	static const char *const open[] = {"", "sequence(", "optional("};

	buf_str(b, open[v->kind]);
	buf_str(b, dtypes[v->type].name);
	dims(b, v);
	buf_str(b, v->kind == VALUE_TENSOR ? "" : ")");
}

static bool
has_type(const Value *v)
{
	return v && (v->type || v->shape.rank >= 0 || v->kind);
}

static void put_graph(Buf *b, const Graph *g, int depth);

static void
list(Buf *b, const Attr *a, int i, int depth)
{
	switch (a->type) {
	case ATTR_FLOATS:
		attr_number(b, (double)a->floats[i]);
		return;
	case ATTR_INTS:
		buf_fmt(b, "%lld", (long long)a->ints[i]);
		return;
	case ATTR_STRINGS:
		quote(b, a->strings[i]);
		return;
	case ATTR_TENSORS:
		value_print_type(b, a->tensors[i]);
		elements(b, a->tensors[i]);
		return;
	default:
		put_graph(b, a->graphs[i], depth);
	}
}

static void
attr(Buf *b, const Attr *a, int depth)
{
	word(b, a->name);
	buf_char(b, '=');
	if (a->ref) {
		buf_char(b, '@');
		word(b, a->ref);
		return;
	}
	switch (a->type) {
	case ATTR_FLOAT:
		attr_number(b, a->f);
		return;
	case ATTR_INT:
		buf_fmt(b, "%lld", (long long)a->i);
		return;
	case ATTR_STRING:
		quote(b, a->s);
		return;
	case ATTR_TENSOR:
		value_print_type(b, a->t);
		elements(b, a->t);
		return;
	case ATTR_GRAPH:
		put_graph(b, a->g, depth);
		return;
	case ATTR_TYPE:
		value_print_type(b, a->tp);
		return;
	default:
		buf_char(b, '[');
		for (int i = 0; i < a->n; i++) {
			buf_str(b, i ? ", " : "");
			list(b, a, i, depth);
		}
		buf_char(b, ']');
	}
}

static void
attrs(Buf *b, const Attr *a, int n, int depth)
{
	buf_str(b, " {");
	for (int i = 0; i < n; i++) {
		buf_str(b, i ? ", " : "");
		attr(b, &a[i], depth);
	}
	buf_char(b, '}');
}

static void
types(Buf *b, Value *const *v, int n)
{
	bool some = false;

	for (int i = 0; i < n; i++)
		some = some || has_type(v[i]);
	for (int i = 0; some && i < n; i++) {
		buf_str(b, i ? ", " : " : ");
		if (has_type(v[i]))
			value_print_type(b, v[i]);
		else
			buf_char(b, '_');
	}
}

static void
put_node(Buf *b, const Node *n, int depth)
{
	for (int i = 0; i < n->nout; i++) {
		buf_str(b, i ? ", " : "");
		name(b, n->out[i]);
	}
	buf_str(b, n->nout ? " = " : "");
	buf_fmt(b, "%s%s%s(", n->domain, *n->domain ? "." : "", n->type);
	for (int i = 0; i < n->nin; i++) {
		buf_str(b, i ? ", " : "");
		name(b, n->in[i]);
	}
	buf_char(b, ')');
	if (n->nattr)
		attrs(b, n->attr, n->nattr, depth);
	types(b, n->out, n->nout);
	buf_char(b, '\n');
}

static void
put_const(Buf *b, const Value *v)
{
	buf_str(b, "const ");
	name(b, v);
	buf_str(b, " : ");
	value_print_type(b, v);
	buf_str(b, " = ");
	if (v->data.src && !v->data.mem) {
		word(b, path_base(v->data.src->path));
		buf_fmt(b, "+%lld", (long long)v->data.off);
	} else {
		elements(b, v);
	}
	buf_char(b, '\n');
}

static void
put_opsets(Buf *b, const Graph *g, int depth)
{
	if (!g->nopset)
		return;
	indent(b, depth);
	buf_str(b, "opset");
	for (int i = 0; i < g->nopset; i++)
		buf_fmt(b, " %s:%lld",
		        *g->opset[i].domain ? g->opset[i].domain : "ai.onnx",
		        (long long)g->opset[i].version);
	buf_char(b, '\n');
}

static void
put_lines(Buf *b, const Graph *g, int depth)
{
	put_opsets(b, g, depth);
	for (int i = 0; i < g->nin; i++) {
		indent(b, depth);
		buf_str(b, "in ");
		name(b, g->in[i]);
		types(b, &g->in[i], 1);
		buf_char(b, '\n');
	}
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (!v || !value_is_const(v))
			continue;
		indent(b, depth);
		put_const(b, v);
	}
	for (int i = 0; i < g->nnode; i++) {
		indent(b, depth);
		put_node(b, g->node[i], depth);
	}
	for (int i = 0; i < g->nout; i++) {
		indent(b, depth);
		buf_str(b, "out ");
		name(b, g->out[i]);
		buf_char(b, '\n');
	}
}

/* As an attribute. */
static void
put_graph(Buf *b, const Graph *g, int depth)
{
	if (depth >= PRINT_DEPTH) {
		buf_str(b, "graph {...}");
		return;
	}
	buf_str(b, "graph {\n");
	put_lines(b, g, depth + 1);
	indent(b, depth);
	buf_char(b, '}');
}

static void
put_function(Buf *b, const Function *f)
{
	buf_str(b, "function ");
	buf_fmt(b, "%s%s%s", f->domain, *f->domain ? "." : "", f->name);
	for (int i = 0; i < f->nattr; i++) {
		buf_str(b, i ? ", @" : " @");
		word(b, f->attr[i]);
	}
	if (f->ndefattr)
		attrs(b, f->defattr, f->ndefattr, 0);
	buf_str(b, " {\n");
	put_lines(b, f->body, 1);
	buf_str(b, "}\n");
}

void
graph_print(Buf *b, const Graph *g)
{
	buf_str(b, "graph ");
	word(b, g->name);
	buf_char(b, '\n');
	put_lines(b, g, 0);
	for (int i = 0; i < g->nfunc; i++)
		put_function(b, g->func[i]);
}
