/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_read.c - a ModelProto becomes a graph.
 *
 * Names are resolved by scope: a subgraph sees the names of the graphs it
 * stands in, a function's body only its own.  A name that hides an outer one
 * gets a suffix, since a graph's names are unique among its parents'.  Nodes
 * out of order are sorted; a cycle is refused.  Bytes are not copied. */

#include <stdio.h>
#include <unistd.h>

#include "kind.h"
#include "onnx_pb.h"
#include "spool.h"

/* What is looked through from end to end for each of its elements. */
enum { MAXATTR = 1024, MAXOPSET = 1024, MAXFUNC = 16384 };

/* The names of a graph being read. */
typedef struct Scope {
	struct Scope *up;
	Graph *g;
	Dict *name; /* Value */
	Dict *info; /* Onnx__ValueInfoProto: types told apart from nodes */
	bool unordered;
} Scope;

static const char *
text(const char *s)
{
	return s ? s : "";
}

/* "ai.onnx" is the long name of the domain without one. */
static const char *
domain(const char *s)
{
	return !s || strcmp(s, "ai.onnx") == 0 ? "" : s;
}

/* A dimension without number and name is unknown; so is a negative one, which
 * some exporters write for it. */
static bool
get_dims(Onnx *o, const Onnx__TensorShapeProto *p, Value *v)
{
	v->shape = (Shape){.rank = -1};
	if (!p)
		return true;
	if (p->n_dim > MAXRANK)
		return fail(o->c, QE_INPUT, "rank %zu, at most %d", p->n_dim,
		            MAXRANK);
	v->shape.rank = (int)p->n_dim;
	for (size_t i = 0; i < p->n_dim; i++) {
		const Onnx__TensorShapeProto__Dimension *d = p->dim[i];
		int how = (int)d->value_case;

		v->shape.dim[i] = -1;
		if (how == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
			v->shape.dim[i] = MAX(d->dim_value, -1);
		if (how != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM ||
		    !*text(d->dim_param))
			continue;
		if (!v->sym)
			v->sym = NEWV(o->mem, const char *, MAXRANK);
		v->sym[i] = arena_dup(o->mem, d->dim_param);
	}
	return true;
}

/* A tensor's type; where `in` is, what it is an element of. */
static bool
get_tensor_type(Onnx *o, const Onnx__TypeProto *p, Value *v, const char *in)
{
	if (!p || p->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
		return fail(o->c, QE_INPUT, "%s of what is not a tensor", in);
	v->type = dtype_by_onnx(p->tensor_type->elem_type);
	if (v->type == DT_NONE && p->tensor_type->elem_type)
		return fail(o->c, QE_INPUT,
		            "element type %d of ONNX is not supported",
		            p->tensor_type->elem_type);
	return get_dims(o, p->tensor_type->shape, v);
}

/* Only the nesting that operators make: tensors, sequences and optionals of
 * them, and an optional sequence. */
static bool
get_type(Onnx *o, const Onnx__TypeProto *p, Value *v)
{
	const Onnx__TypeProto *e;

	switch (p ? (int)p->value_case : ONNX__TYPE_PROTO__VALUE__NOT_SET) {
	case ONNX__TYPE_PROTO__VALUE__NOT_SET:
		return true;
	case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
		return get_tensor_type(o, p, v, "");
	case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
		v->kind = VALUE_SEQUENCE;
		return get_tensor_type(o, p->sequence_type->elem_type, v,
		                       "a sequence");
	case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
		v->kind = VALUE_OPTIONAL;
		break;
	default:
		return fail(o->c, QE_INPUT,
		            "a map or sparse tensor is not supported");
	}
	e = p->optional_type->elem_type;
	if (!e || e->value_case != ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE)
		return get_tensor_type(o, e, v, "an optional");
	v->item = NEW(o->mem, Value *);
	v->item[0] = NEW(o->mem, Value);
	v->item[0]->name = "";
	if (!get_type(o, e, v->item[0]))
		return false;
	v->type = v->item[0]->type;
	v->shape = v->item[0]->shape;
	return true;
}

static bool
get_info(Onnx *o, const Onnx__ValueInfoProto *p, Value *v)
{
	return !p || get_type(o, p->type, v) ||
	       note(o->c, "value '%s'", v->name);
}

/* The nearest value of a name.  Using one before its node was read is no
 * error yet, but its graph has to be sorted. */
static Value *
lookup(Scope *s, const char *name)
{
	Value *v;

	for (; s; s = s->up) {
		if (!(v = dict_get(s->name, name)))
			continue;
		if (!v->from && !v->mark)
			s->unordered = true; /* made by a node to come */
		return v;
	}
	return NULL;
}

/* A name of this graph; the mark says that no node makes it. */
static Value *
declare(Onnx *o, Scope *s, const char *name, bool made)
{
	Value *v;

	if (!*name)
		return fail(o->c, QE_INPUT, "a value without a name"), NULL;
	if (dict_has(s->name, name))
		return fail(o->c, QE_INPUT, "value '%s' is made twice", name),
		       NULL;
	v = value_new(s->g, name, DT_NONE, NULL);
	v->mark = made;
	dict_set(s->name,
	         strcmp(v->name, name) == 0 ? v->name : arena_dup(o->mem, name),
	         v);
	return v;
}

static Value *
get_constant(Onnx *o, const Onnx__TensorProto *t)
{
	Value *v = NEW(o->mem, Value);

	v->name = arena_dup(o->mem, text(t->name));
	return tensor_get(o, t, v) ? v : NULL;
}

static bool get_graph(Onnx *o, Scope *up, const Onnx__GraphProto *p, Graph **g);

static bool
get_tensors(Onnx *o, const Onnx__AttributeProto *p, Attr *a)
{
	a->n = (int)p->n_tensors;
	a->tensors = NEWV(o->mem, Value *, a->n + 1);
	for (int i = 0; i < a->n; i++)
		if (!(a->tensors[i] = get_constant(o, p->tensors[i])))
			return false;
	return true;
}

static bool
get_graphs(Onnx *o, Scope *s, const Onnx__AttributeProto *p, Attr *a)
{
	a->n = (int)p->n_graphs;
	a->graphs = NEWV(o->mem, Graph *, a->n + 1);
	for (int i = 0; i < a->n; i++)
		if (!get_graph(o, s, p->graphs[i], &a->graphs[i]))
			return false;
	return true;
}

/* Strings of attributes are bytes, but most are read as text: they end in NUL. */
static Span
get_bytes(Onnx *o, const ProtobufCBinaryData *b)
{
	Span s = {(const char *)b->data, b->len};

	return (Span){arena_span(o->mem, s), s.n};
}

static void
get_strings(Onnx *o, const Onnx__AttributeProto *p, Attr *a)
{
	a->n = (int)p->n_strings;
	a->strings = NEWV(o->mem, Span, a->n + 1);
	for (int i = 0; i < a->n; i++)
		a->strings[i] = get_bytes(o, &p->strings[i]);
}

static bool
get_attr_type(Onnx *o, const Onnx__AttributeProto *p, Attr *a)
{
	a->tp = NEW(o->mem, Value);
	a->tp->name = "";
	a->tp->shape.rank = -1;
	return get_type(o, p->tp, a->tp);
}

/* Attributes of the first IR version do not say their type. */
static int
attr_type(const Onnx__AttributeProto *p)
{
	if (p->has_type && p->type)
		return (int)p->type;
	return p->has_f       ? ATTR_FLOAT
	       : p->has_i     ? ATTR_INT
	       : p->has_s     ? ATTR_STRING
	       : p->t         ? ATTR_TENSOR
	       : p->g         ? ATTR_GRAPH
	       : p->n_floats  ? ATTR_FLOATS
	       : p->n_ints    ? ATTR_INTS
	       : p->n_strings ? ATTR_STRINGS
	       : p->n_tensors ? ATTR_TENSORS
	       : p->n_graphs  ? ATTR_GRAPHS
	                      : ATTR_NONE;
}

static bool
get_attr(Onnx *o, Scope *s, const Onnx__AttributeProto *p, Attr *a)
{
	enum { TYPE = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO };
	int type = attr_type(p);

	a->type = type == TYPE ? ATTR_TYPE : (enum AttrType)type;
	if (p->ref_attr_name && *p->ref_attr_name) {
		a->ref = arena_dup(o->mem, p->ref_attr_name);
		return true;
	}
	switch (type) {
	case ATTR_FLOAT:
		a->f = (double)p->f;
		return true;
	case ATTR_INT:
		a->i = p->i;
		return true;
	case ATTR_STRING:
		a->s = get_bytes(o, &p->s);
		return true;
	case ATTR_TENSOR:
		return p->t ? (a->t = get_constant(o, p->t)) != NULL
		            : fail(o->c, QE_INPUT, "no tensor in it");
	case ATTR_GRAPH:
		return p->g ? get_graph(o, s, p->g, &a->g)
		            : fail(o->c, QE_INPUT, "no graph in it");
	case ATTR_FLOATS:
		a->n = (int)p->n_floats;
		a->floats = arena_copy(o->mem, p->floats,
		                       p->n_floats * sizeof *p->floats);
		return true;
	case ATTR_INTS:
		a->n = (int)p->n_ints;
		a->ints = arena_copy(o->mem, p->ints,
		                     p->n_ints * sizeof *p->ints);
		return true;
	case ATTR_STRINGS:
		get_strings(o, p, a);
		return true;
	case ATTR_TENSORS:
		return get_tensors(o, p, a);
	case ATTR_GRAPHS:
		return get_graphs(o, s, p, a);
	case TYPE:
		return get_attr_type(o, p, a);
	default:
		return fail(o->c, QE_INPUT,
		            "attributes of type %d of ONNX are not supported",
		            type);
	}
}

/* Each once; attr_add() would take the last one. */
static bool
get_attrs(Onnx *o, Scope *s, const Onnx__NodeProto *p, Node *n)
{
	if (p->n_attribute > MAXATTR)
		return fail(o->c, QE_INPUT, "%zu attributes, at most %d",
		            p->n_attribute, MAXATTR);
	n->attr = NEWV(o->mem, Attr, p->n_attribute + 1);
	n->capattr = p->n_attribute;
	for (size_t i = 0; i < p->n_attribute; i++) {
		const char *name = text(p->attribute[i]->name);
		Attr a = {.name = arena_dup(o->mem, name)};

		if (attr_find(n, name))
			return fail(o->c, QE_INPUT, "attribute '%s' twice",
			            name);
		if (!get_attr(o, s, p->attribute[i], &a))
			return note(o->c, "attribute '%s'", name);
		n->attr[n->nattr++] = a;
	}
	return true;
}

static bool
get_node(Onnx *o, Scope *s, const Onnx__NodeProto *p, Value **io)
{
	const char *name;
	Node *n;

	for (size_t i = 0; i < p->n_input; i++) {
		name = text(p->input[i]);
		io[i] = *name ? lookup(s, name) : NULL;
		if (*name && !io[i])
			return fail(o->c, QE_INPUT,
			            "input '%s' is not made by anything", name);
	}
	for (size_t i = 0; i < p->n_output; i++) {
		name = text(p->output[i]);
		io[p->n_input + i] = *name ? dict_get(s->name, name) : NULL;
	}
	if (!*text(p->op_type))
		return fail(o->c, QE_INPUT, "no op_type");
	if (pb_unknown(p, NODE_OVERLOAD))
		return fail(o->c, QE_INPUT, "an overload is not supported");
	n = node_new(s->g, domain(p->domain), p->op_type, (int)p->n_input, io,
	             (int)p->n_output, io + p->n_input);
	n->name = arena_dup(o->mem, text(p->name));
	return get_attrs(o, s, p, n);
}

/* Nodes may use what later ones make: all outputs get their names first. */
static bool
get_nodes(Onnx *o, Scope *s, Onnx__NodeProto *const *node, size_t n)
{
	Arena tmp = {0};
	Value *v, **io = NULL;
	size_t most = 0;
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		const Onnx__NodeProto *p = node[i];

		most = MAX(most, p->n_input + p->n_output);
		for (size_t k = 0; k < p->n_output; k++) {
			if (!*text(p->output[k]))
				continue;
			v = declare(o, s, p->output[k], false);
			if (!v || !get_info(o, dict_get(s->info, v->name), v))
				return note(o->c, "node '%s' (%s)",
				            text(p->name), text(p->op_type));
		}
	}
	io = NEWV(&tmp, Value *, most + 1);
	for (size_t i = 0; ok && i < n; i++)
		ok = get_node(o, s, node[i], io) ||
		     note(o->c, "node '%s' (%s)", text(node[i]->name),
		          text(node[i]->op_type));
	arena_free(&tmp);
	return ok && (!s->unordered || graph_sort(o->c, s->g));
}

/* Before the inputs, so that these can tell which of them are constants. */
static bool
get_initializers(Onnx *o, Scope *s, const Onnx__GraphProto *p)
{
	if (p->n_sparse_initializer)
		return fail(o->c, QE_INPUT,
		            "sparse initializers are not supported");
	for (size_t i = 0; i < p->n_initializer; i++) {
		Value *v = declare(o, s, text(p->initializer[i]->name), true);

		if (!v)
			return false;
		if (!tensor_get(o, p->initializer[i], v))
			return note(o->c, "initializer '%s'", v->name);
	}
	return true;
}

static bool
get_inputs(Onnx *o, Scope *s, const Onnx__GraphProto *p)
{
	for (size_t i = 0; i < p->n_input; i++) {
		const char *name = text(p->input[i]->name);
		Value *v = dict_get(s->name, name);

		if (v && value_is_const(v))
			continue;
		v = declare(o, s, name, true);
		if (!v || !get_info(o, p->input[i], v))
			return false;
		PUSH(o->mem, s->g->in, s->g->nin, s->g->capin, v);
	}
	return true;
}

/* Types are told apart from the nodes whose outputs have them. */
static void
list_info(Scope *s, Onnx__ValueInfoProto *const *info, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (info[i]->name)
			dict_set(s->info, info[i]->name, info[i]);
}

/* A branch may hand out a value of the graph around it. */
static bool
get_outputs(Onnx *o, Scope *s, const Onnx__GraphProto *p)
{
	for (size_t i = 0; i < p->n_output; i++) {
		const char *name = text(p->output[i]->name);
		Value *v = lookup(s, name);

		if (!v)
			return fail(o->c, QE_INPUT,
			            "output '%s' is not made by anything",
			            name);
		graph_output(s->g, v);
	}
	return true;
}

static bool
fill_graph(Onnx *o, Scope *s, const Onnx__GraphProto *p)
{
	list_info(s, p->value_info, p->n_value_info);
	list_info(s, p->output, p->n_output);
	return get_initializers(o, s, p) && get_inputs(o, s, p) &&
	       get_nodes(o, s, p->node, p->n_node) && get_outputs(o, s, p);
}

static Scope
scope(Arena *tmp, Scope *up, Graph *g)
{
	return (Scope){up, g, dict_new(tmp), dict_new(tmp), false};
}

static bool
get_graph(Onnx *o, Scope *up, const Onnx__GraphProto *p, Graph **out)
{
	Arena tmp = {0};
	Scope s = scope(&tmp, up, NULL);
	bool ok;

	s.g = *out = graph_new(o->mem, arena_dup(o->mem, text(p->name)));
	s.g->parent = up->g;
	ok = fill_graph(o, &s, p);
	arena_free(&tmp);
	return ok;
}

static bool
get_opsets(Onnx *o, Graph *g, Onnx__OperatorSetIdProto *const *p, size_t n)
{
	if (n > MAXOPSET)
		return fail(o->c, QE_INPUT, "%zu opsets, at most %d", n,
		            MAXOPSET);
	for (size_t i = 0; i < n; i++) {
		if (p[i]->version < 1)
			return fail(o->c, QE_INPUT, "opset %lld of domain '%s'",
			            (long long)p[i]->version,
			            text(p[i]->domain));
		graph_import(g, arena_dup(o->mem, domain(p[i]->domain)),
		             p[i]->version);
	}
	return true;
}

/* Attributes with a default are a field that the schema lacks; its messages
 * have passed no check yet. */
static bool
get_defaults(Onnx *o, Scope *s, const Onnx__FunctionProto *p, Function *f)
{
	Arena tmp = {0};
	bool ok = true;

	f->defattr = NEWV(o->mem, Attr, p->base.n_unknown_fields + 1);
	for (unsigned i = 0; ok && i < p->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *u =
			&p->base.unknown_fields[i];
		Span b = {(const char *)u->data, u->len};
		Onnx__AttributeProto *q;
		uint64_t n;

		if (u->tag != FUNCTION_ATTRIBUTE_PROTO)
			continue;
		pb_varint(&b, &n);
		q = pb_unpack(o->c, &tmp, &onnx__attribute_proto__descriptor, b,
		              false);
		if (!q)
			ok = false;
		else
			ok = get_attr(o, s, q, &f->defattr[f->ndefattr]);
		if (ok)
			f->defattr[f->ndefattr++].name =
				arena_dup(o->mem, text(q->name));
	}
	arena_free(&tmp);
	return ok;
}

static bool
fill_function(Onnx *o, Scope *s, const Onnx__FunctionProto *p, Function *f)
{
	if (pb_unknown(p, FUNCTION_OVERLOAD))
		return fail(o->c, QE_INPUT, "an overload is not supported");
	f->nattr = (int)p->n_attribute;
	f->attr = NEWV(o->mem, const char *, f->nattr + 1);
	for (int i = 0; i < f->nattr; i++)
		f->attr[i] = arena_dup(o->mem, p->attribute[i]);
	for (size_t i = 0; i < p->n_input; i++) {
		Value *v = declare(o, s, text(p->input[i]), true);

		if (!v)
			return false;
		PUSH(o->mem, s->g->in, s->g->nin, s->g->capin, v);
	}
	if (!get_opsets(o, s->g, p->opset_import, p->n_opset_import) ||
	    !get_defaults(o, s, p, f) || !get_nodes(o, s, p->node, p->n_node))
		return false;
	for (size_t i = 0; i < p->n_output; i++) {
		Value *v = lookup(s, text(p->output[i]));

		if (!v)
			return fail(o->c, QE_INPUT,
			            "output '%s' is not made by anything",
			            text(p->output[i]));
		graph_output(s->g, v);
	}
	return true;
}

static bool
get_function(Onnx *o, const Onnx__FunctionProto *p)
{
	Function *f = NEW(o->mem, Function);
	Graph *g = o->g;
	Arena tmp = {0};
	Scope s = scope(&tmp, NULL, NULL);
	bool ok;

	f->domain = arena_dup(o->mem, domain(p->domain));
	f->name = arena_dup(o->mem, text(p->name));
	s.g = f->body = graph_new(o->mem, f->name);
	ok = fill_function(o, &s, p, f) || note(o->c, "function '%s'", f->name);
	arena_free(&tmp);
	if (ok && graph_function(g, f->domain, f->name))
		ok = fail(o->c, QE_INPUT, "function '%s' is defined twice",
		          f->name);
	PUSH(o->mem, g->func, g->nfunc, g->capfunc, f);
	return ok;
}

/* Comes before the initializers: "qeff.files" says which files to believe. */
static bool
get_meta(Onnx *o, Onnx__StringStringEntryProto *const *p, size_t n)
{
	const char *files;

	for (size_t i = 0; i < n; i++)
		dict_set(o->g->meta, arena_dup(o->mem, text(p[i]->key)),
		         arena_dup(o->mem, text(p[i]->value)));
	if (!(files = dict_get(o->g->meta, "qeff.files")))
		return true;
	o->files = json_parse(o->c, o->mem, SPAN(files));
	return o->files || note(o->c, "metadata 'qeff.files'");
}

static bool
get_model(Onnx *o, const Onnx__ModelProto *p)
{
	Graph *g = o->g;
	Arena tmp = {0};
	Scope s = scope(&tmp, NULL, g);
	bool ok = true;

	g->ir_version = p->ir_version;
	if (!p->graph)
		ok = fail(o->c, QE_INPUT, "an ONNX model without a graph");
	else if (p->n_functions > MAXFUNC)
		ok = fail(o->c, QE_INPUT, "%zu functions, at most %d",
		          p->n_functions, MAXFUNC);
	else
		g->name = arena_dup(o->mem, text(p->graph->name));
	if (ok && !p->n_opset_import) /* as before opsets were said */
		graph_import(g, "", 1);
	ok = ok && get_meta(o, p->metadata_props, p->n_metadata_props) &&
	     get_opsets(o, g, p->opset_import, p->n_opset_import);
	for (size_t i = 0; ok && i < p->n_functions; i++)
		ok = get_function(o, p->functions[i]);
	ok = ok && fill_graph(o, &s, p->graph);
	arena_free(&tmp);
	return ok;
}

/* The file as a source of constants; what came by a pipe has no path. */
static bool
open_model(Onnx *o)
{
	const char *place;

	if (!spool_open(o->c, o->mem, o->path, &o->bytes, &place))
		return false;
	o->piped = !place;
	if (place)
		o->path = place;
	o->self = graph_source(o->g, place ? place : "-");
	o->self->size = (int64_t)o->bytes.n;
	o->self->map = o->bytes;
	return true;
}

static bool
check_kind(Onnx *o)
{
	Span head = {o->bytes.p, MIN(o->bytes.n, KIND_HEAD)};

	return file_kind(head) == KIND_ONNX ||
	       kind_refuse(o->c, "an ONNX model", head);
}

static bool
read_model(Onnx *o)
{
	Arena tmp = {0};
	Onnx__ModelProto *p = NULL;
	bool ok = check_kind(o) &&
	          (p = pb_unpack(o->c, &tmp, &onnx__model_proto__descriptor,
	                         o->bytes, true)) &&
	          get_model(o, p);

	arena_free(&tmp);
	return ok;
}

bool
onnx_read(Ctx *c, Arena *a, const char *path, Graph **out)
{
	Onnx o = {.c = c, .mem = a, .path = path, .file = dict_new(a)};

	*out = o.g = graph_new(a, "");
	if (!open_model(&o))
		return false;
	return read_model(&o) || note(c, "%s", o.piped ? "<stdin>" : path);
}

bool
onnx_read_bytes(Ctx *c, Arena *a, Span bytes, Graph **out)
{
	Onnx o = {.c = c, .mem = a, .path = "-", .file = dict_new(a)};

	*out = o.g = graph_new(a, "");
	o.sealed = true;
	o.bytes = bytes;
	o.self = graph_source(o.g, "-");
	o.self->size = (int64_t)bytes.n;
	o.self->map = bytes;
	return read_model(&o);
}

bool
onnx_read_piped(Ctx *c, Arena *a, Span bytes, Graph **out)
{
	Onnx o = {.c = c, .mem = a, .path = "-", .file = dict_new(a)};

	*out = o.g = graph_new(a, "");
	o.piped = true;
	o.bytes = bytes;
	return read_model(&o);
}
