/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_write.c - a graph becomes a ModelProto.
 *
 * Messages are built in one arena, around strings that stay the graph's, and
 * go out through a 64 KiB buffer.  Every optional scalar needs its has_x, or
 * it vanishes.  The IR version rises to what the graph needs.  What reading
 * protobuf anywhere refuses, 2 GiB and more, is refused here. */

#include <stdio.h>

#include "onnx_pb.h"

/* A new message of the schema, initialised. */
static void *
make(Writer *w, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = arena_alloc(w->tmp, d->sizeof_message);

	protobuf_c_message_init(d, m);
	return m;
}

/* protobuf-c's strings are not const; it does not write to them. */
static char *
str(const char *s)
{
	return (char *)(uintptr_t)s;
}

static Onnx__TypeProto *
put_tensor_type(Writer *w, const Value *v)
{
	Onnx__TypeProto *p = make(w, &onnx__type_proto__descriptor);
	Onnx__TypeProto__Tensor *t =
		make(w, &onnx__type_proto__tensor__descriptor);
	Onnx__TensorShapeProto *s;

	p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	p->tensor_type = t;
	t->has_elem_type = 1;
	t->elem_type = dtypes[v->type].onnx;
	if (v->shape.rank < 0)
		return p;
	t->shape = s = make(w, &onnx__tensor_shape_proto__descriptor);
	s->n_dim = (size_t)v->shape.rank;
	s->dim = NEWV(w->tmp, Onnx__TensorShapeProto__Dimension *, s->n_dim);
	for (size_t i = 0; i < s->n_dim; i++) {
		Onnx__TensorShapeProto__Dimension *d =
			make(w,
		             &onnx__tensor_shape_proto__dimension__descriptor);

		s->dim[i] = d;
		if (v->shape.dim[i] >= 0) {
			d->value_case =
				ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
			d->dim_value = v->shape.dim[i];
		} else if (v->sym && v->sym[i]) {
			d->value_case =
				ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
			d->dim_param = str(v->sym[i]);
		}
	}
	return p;
}

static Onnx__TypeProto *
put_type(Writer *w, const Value *v)
{
	Onnx__TypeProto *p;

	if (v->kind == VALUE_TENSOR)
		return put_tensor_type(w, v);
	p = make(w, &onnx__type_proto__descriptor);
	if (v->kind == VALUE_SEQUENCE) {
		p->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
		p->sequence_type =
			make(w, &onnx__type_proto__sequence__descriptor);
		p->sequence_type->elem_type = put_tensor_type(w, v);
		return p;
	}
	p->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
	p->optional_type = make(w, &onnx__type_proto__optional__descriptor);
	p->optional_type->elem_type =
		v->item ? put_type(w, v->item[0]) : put_tensor_type(w, v);
	return p;
}

/* A value of unknown type has a name only: functions and branches may. */
static Onnx__ValueInfoProto *
put_info(Writer *w, const Value *v)
{
	Onnx__ValueInfoProto *p = make(w, &onnx__value_info_proto__descriptor);

	p->name = str(v->name);
	if (v->type != DT_NONE || v->kind != VALUE_TENSOR)
		p->type = put_type(w, v);
	return p;
}

static Onnx__GraphProto *put_graph(Writer *w, const Graph *g);

/* Tensors of attributes are inline: few readers look elsewhere. */
static Onnx__TensorProto *
put_inline(Writer *w, const Value *v)
{
	Onnx__TensorProto *t = tensor_proto(w->tmp, v);

	return tensor_put(w->c, w->mem, w->tmp, v, t) ? t : NULL;
}

static bool
put_lists(Writer *w, const Attr *a, Onnx__AttributeProto *p)
{
	p->tensors = NEWV(w->tmp, Onnx__TensorProto *, a->n + 1);
	p->graphs = NEWV(w->tmp, Onnx__GraphProto *, a->n + 1);
	p->strings = NEWV(w->tmp, ProtobufCBinaryData, a->n + 1);
	for (int i = 0; i < a->n; i++) {
		if (a->type == ATTR_STRINGS)
			p->strings[p->n_strings++] =
				(ProtobufCBinaryData){a->strings[i].n,
			                              (uint8_t *)str(
							      a->strings[i].p)};
		if (a->type == ATTR_TENSORS &&
		    !(p->tensors[p->n_tensors++] =
		              put_inline(w, a->tensors[i])))
			return false;
		if (a->type == ATTR_GRAPHS &&
		    !(p->graphs[p->n_graphs++] = put_graph(w, a->graphs[i])))
			return false;
	}
	return true;
}

static bool
put_attr_value(Writer *w, const Attr *a, Onnx__AttributeProto *p)
{
	switch (a->type) {
	case ATTR_FLOAT:
		p->has_f = 1;
		p->f = (float)a->f;
		return true;
	case ATTR_INT:
		p->has_i = 1;
		p->i = a->i;
		return true;
	case ATTR_STRING:
		p->has_s = 1;
		p->s = (ProtobufCBinaryData){a->s.n, (uint8_t *)str(a->s.p)};
		return true;
	case ATTR_TENSOR:
		return (p->t = put_inline(w, a->t)) != NULL;
	case ATTR_GRAPH:
		return (p->g = put_graph(w, a->g)) != NULL;
	case ATTR_FLOATS:
		p->n_floats = (size_t)a->n;
		p->floats = a->floats;
		return true;
	case ATTR_INTS:
		p->n_ints = (size_t)a->n;
		p->ints = a->ints;
		return true;
	case ATTR_TYPE:
		p->tp = a->tp->type == DT_NONE && a->tp->kind == VALUE_TENSOR
		                ? make(w, &onnx__type_proto__descriptor)
		                : put_type(w, a->tp);
		return true;
	default:
		return put_lists(w, a, p);
	}
}

static Onnx__AttributeProto *
put_attr(Writer *w, const Attr *a)
{
	Onnx__AttributeProto *p = make(w, &onnx__attribute_proto__descriptor);

	p->name = str(a->name);
	p->has_type = 1;
	p->type = a->type == ATTR_TYPE
	                  ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO
	                  : (Onnx__AttributeProto__AttributeType)a->type;
	if (a->ref) {
		p->ref_attr_name = str(a->ref);
		return p;
	}
	return put_attr_value(w, a, p) ? p : NULL;
}

/* What is left out has the empty name. */
static char **
put_names(Writer *w, Value *const *v, int n)
{
	char **name = NEWV(w->tmp, char *, n + 1);

	for (int i = 0; i < n; i++)
		name[i] = str(v[i] ? v[i]->name : "");
	return name;
}

static Onnx__NodeProto *
put_node(Writer *w, const Node *n)
{
	Onnx__NodeProto *p = make(w, &onnx__node_proto__descriptor);

	p->n_input = (size_t)n->nin;
	p->input = put_names(w, n->in, n->nin);
	p->n_output = (size_t)n->nout;
	p->output = put_names(w, n->out, n->nout);
	p->name = *n->name ? str(n->name) : NULL;
	p->op_type = str(n->type);
	p->domain = *n->domain ? str(n->domain) : NULL;
	p->attribute = NEWV(w->tmp, Onnx__AttributeProto *, n->nattr + 1);
	for (int i = 0; i < n->nattr; i++)
		if (!(p->attribute[p->n_attribute++] =
		              put_attr(w, &n->attr[i])))
			return note(w->c, "node '%s' (%s)", n->name, n->type),
			       NULL;
	return p;
}

/* In the order of the table, so that the same graph gives the same bytes. */
static bool
put_initializers(Writer *w, const Graph *g, Onnx__GraphProto *p)
{
	p->initializer = NEWV(w->tmp, Onnx__TensorProto *, g->value->n + 1);
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;
		Onnx__TensorProto *t;

		if (!v || !value_is_const(v))
			continue;
		p->initializer[p->n_initializer++] = t =
			tensor_proto(w->tmp, v);
		if (!(place_is_inline(w, v)
		              ? tensor_put(w->c, w->mem, w->tmp, v, t)
		              : place_put(w, v, t)))
			return note(w->c, "initializer '%s'", v->name);
	}
	return true;
}

static Onnx__ValueInfoProto **
put_infos(Writer *w, Value *const *v, int n)
{
	Onnx__ValueInfoProto **p = NEWV(w->tmp, Onnx__ValueInfoProto *, n + 1);

	for (int i = 0; i < n; i++)
		p[i] = put_info(w, v[i]);
	return p;
}

/* Types of values between nodes, as far as they are known. */
static void
put_value_info(Writer *w, const Graph *g, Onnx__GraphProto *p)
{
	p->value_info = NEWV(w->tmp, Onnx__ValueInfoProto *, g->value->n + 1);
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (v && v->from && !v->mark &&
		    (v->type != DT_NONE || v->kind != VALUE_TENSOR))
			p->value_info[p->n_value_info++] = put_info(w, v);
	}
}

/* Outputs have their type with them; value_info must not repeat it. */
static void
mark_outputs(const Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = 0;
	for (int i = 0; i < g->nout; i++)
		g->out[i]->mark = 1;
}

static Onnx__GraphProto *
put_graph(Writer *w, const Graph *g)
{
	Onnx__GraphProto *p = make(w, &onnx__graph_proto__descriptor);

	p->name = str(*g->name ? g->name : "main");
	p->n_input = (size_t)g->nin;
	p->input = put_infos(w, g->in, g->nin);
	p->n_output = (size_t)g->nout;
	p->output = put_infos(w, g->out, g->nout);
	mark_outputs(g);
	put_value_info(w, g, p);
	if (!put_initializers(w, g, p))
		return NULL;
	p->node = NEWV(w->tmp, Onnx__NodeProto *, g->nnode + 1);
	for (int i = 0; i < g->nnode; i++)
		if (!(p->node[p->n_node++] = put_node(w, g->node[i])))
			return NULL;
	return p;
}

static Onnx__OperatorSetIdProto **
put_opsets(Writer *w, const Graph *g, size_t *n)
{
	Onnx__OperatorSetIdProto **p =
		NEWV(w->tmp, Onnx__OperatorSetIdProto *, g->nopset + 1);

	*n = (size_t)g->nopset;
	for (int i = 0; i < g->nopset; i++) {
		p[i] = make(w, &onnx__operator_set_id_proto__descriptor);
		p[i]->domain = str(g->opset[i].domain);
		p[i]->has_version = 1;
		p[i]->version = g->opset[i].version;
	}
	return p;
}

/* Attributes with a default are a field of a newer schema: packed here, and
 * kept as an unknown field. */
static bool
put_defaults(Writer *w, const Function *f, Onnx__FunctionProto *p)
{
	ProtobufCMessageUnknownField *u =
		NEWV(w->tmp, ProtobufCMessageUnknownField, f->ndefattr + 1);

	p->base.unknown_fields = u;
	for (int i = 0; i < f->ndefattr; i++, u++) {
		Onnx__AttributeProto *a = put_attr(w, &f->defattr[i]);
		Buf *b = buf_new(w->tmp);
		size_t n;
		uint8_t *bytes;

		if (!a)
			return false;
		n = onnx__attribute_proto__get_packed_size(a);
		bytes = arena_alloc(w->tmp, n + 1);
		onnx__attribute_proto__pack(a, bytes);
		pb_put_varint(b, n);
		buf_add(b, bytes, n);
		u->tag = FUNCTION_ATTRIBUTE_PROTO;
		u->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
		u->data = (uint8_t *)b->p;
		u->len = b->n;
		p->base.n_unknown_fields++;
	}
	return true;
}

/* A function has no initializers: its constants are nodes. */
static Onnx__NodeProto *
put_constant(Writer *w, const Value *v)
{
	Onnx__NodeProto *p = make(w, &onnx__node_proto__descriptor);
	Value *out = (Value *)(uintptr_t)v;
	Attr a = {.name = "value", .type = ATTR_TENSOR, .t = out};

	p->op_type = str("Constant");
	p->n_output = 1;
	p->output = put_names(w, &out, 1);
	p->n_attribute = 1;
	p->attribute = NEWV(w->tmp, Onnx__AttributeProto *, 1);
	return (p->attribute[0] = put_attr(w, &a)) ? p : NULL;
}

static bool
put_body(Writer *w, const Graph *g, Onnx__FunctionProto *p)
{
	p->node = NEWV(w->tmp, Onnx__NodeProto *,
	               (size_t)g->nnode + g->value->n + 1);
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (v && value_is_const(v) &&
		    !(p->node[p->n_node++] = put_constant(w, v)))
			return false;
	}
	for (int i = 0; i < g->nnode; i++)
		if (!(p->node[p->n_node++] = put_node(w, g->node[i])))
			return false;
	return true;
}

/* A function imports what it uses itself; one without imports means those
 * of the model. */
static Onnx__FunctionProto *
put_function(Writer *w, const Graph *model, const Function *f)
{
	Onnx__FunctionProto *p = make(w, &onnx__function_proto__descriptor);
	const Graph *g = f->body;

	p->name = str(f->name);
	p->domain = str(f->domain);
	p->n_attribute = (size_t)f->nattr;
	p->attribute = NEWV(w->tmp, char *, f->nattr + 1);
	for (int i = 0; i < f->nattr; i++)
		p->attribute[i] = str(f->attr[i]);
	p->n_input = (size_t)g->nin;
	p->input = put_names(w, g->in, g->nin);
	p->n_output = (size_t)g->nout;
	p->output = put_names(w, g->out, g->nout);
	p->opset_import =
		put_opsets(w, g->nopset ? g : model, &p->n_opset_import);
	if (!put_defaults(w, f, p) || !put_body(w, g, p))
		return note(w->c, "function '%s'", f->name), NULL;
	return p;
}

static void
put_entry(Writer *w, Onnx__ModelProto *p, const char *key, const char *value)
{
	Onnx__StringStringEntryProto *e =
		make(w, &onnx__string_string_entry_proto__descriptor);

	e->key = str(key);
	e->value = str(value);
	p->metadata_props[p->n_metadata_props++] = e;
}

/* Files are listed anew: those read may not be those written. */
static void
put_meta(Writer *w, const Graph *g, Onnx__ModelProto *p)
{
	Json *files = place_files(w);
	Buf *b = buf_new(w->tmp);

	p->metadata_props =
		NEWV(w->tmp, Onnx__StringStringEntryProto *, g->meta->n + 1);
	for (size_t i = 0; i < g->meta->n; i++)
		if (strcmp(g->meta->item[i].key, "qeff.files") != 0)
			put_entry(w, p, g->meta->item[i].key,
			          g->meta->item[i].value);
	if (!files)
		return;
	json_print(b, files, 0);
	put_entry(w, p, "qeff.files", b->p);
}

/* The IR version that brought an element type. */
static int64_t
type_version(DType t)
{
	static const struct {
		DType first, last;
		int64_t version;
	} since[] = {
		{DT_F8E4M3FN, DT_F8E5M2FNUZ, 9},
		{DT_U4, DT_I4, 10},
		{DT_F4E2M1, DT_F4E2M1, 11},
		{DT_F8E8M0, DT_F8E8M0, 12},
		{DT_U2, DT_I2, 13},
	};

	for (size_t i = 0; i < LEN(since); i++)
		if (t >= since[i].first && t <= since[i].last)
			return since[i].version;
	return 0;
}

/* 4: constants need not be inputs.  8: functions. */
static int64_t
ir_version(const Graph *g)
{
	int64_t n = MAX(g->ir_version, g->nfunc ? 8 : 4);

	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (v)
			n = MAX(n, type_version(v->type));
	}
	return n;
}

static Onnx__ModelProto *
put_model(Writer *w, Graph *g)
{
	Onnx__ModelProto *p = make(w, &onnx__model_proto__descriptor);

	p->has_ir_version = 1;
	p->ir_version = ir_version(g);
	p->producer_name = str(w->c->tool ? w->c->tool : "libqeff");
	p->producer_version = str(QEFF_VERSION);
	for (int i = 0; i < g->nfunc; i++)
		if (!graph_opset(g, g->func[i]->domain))
			graph_import(g, g->func[i]->domain, 1);
	p->opset_import = put_opsets(w, g, &p->n_opset_import);
	p->functions = NEWV(w->tmp, Onnx__FunctionProto *, g->nfunc + 1);
	for (int i = 0; i < g->nfunc; i++)
		if (!(p->functions[p->n_functions++] =
		              put_function(w, g, g->func[i])))
			return NULL;
	if (!(p->graph = put_graph(w, g)))
		return NULL;
	put_meta(w, g, p);
	return p;
}

typedef struct Sink {
	ProtobufCBuffer base;
	Ctx *c;
	Out *out;
	bool ok;
} Sink;

static void
append(ProtobufCBuffer *b, size_t n, const uint8_t *p)
{
	Sink *s = (Sink *)b;

	s->ok = s->ok && out_write(s->c, s->out, p, n);
}

/* Counting costs microseconds; a reader that gives up costs a user hours. */
static bool
get_size(Writer *w, const Onnx__ModelProto *p, size_t *n)
{
	*n = onnx__model_proto__get_packed_size(p);
	if (*n > INT32_MAX)
		return fail(w->c, QE_INPUT,
		            "%zu bytes, and no ONNX file may have 2 GiB: write "
		            "to a file, with constants beside it",
		            *n);
	return true;
}

/* The model appears last, when what it refers to is there. */
static bool
pack(Writer *w, const Onnx__ModelProto *p)
{
	Sink s = {.base.append = append, .c = w->c, .ok = true};
	size_t n;

	if (!get_size(w, p, &n) || !(s.out = out_open(w->c, w->tmp, w->path)))
		return false;
	onnx__model_proto__pack_to_buffer(p, &s.base);
	return s.ok && place_commit(w) && out_commit(w->c, s.out);
}

static bool has_data(const Writer *w, const Graph *g);

static bool
node_has_data(const Writer *w, const Node *n)
{
	for (int i = 0; i < n->nattr; i++) {
		const Attr *a = &n->attr[i];

		if (a->type == ATTR_GRAPH && has_data(w, a->g))
			return true;
		for (int k = 0; a->type == ATTR_GRAPHS && k < a->n; k++)
			if (has_data(w, a->graphs[k]))
				return true;
	}
	return false;
}

/* Whether any constant goes to .data decides about the others there. */
static bool
has_data(const Writer *w, const Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (v && value_is_const(v) && place_is_data(w, v))
			return true;
	}
	for (int i = 0; i < g->nnode; i++)
		if (node_has_data(w, g->node[i]))
			return true;
	return false;
}

bool
onnx_write(Ctx *c, Graph *g, const OnnxWrite *how)
{
	Arena tmp = {0};
	Writer w = {.c = c, .tmp = &tmp, .mem = g->mem, .path = how->path};
	Onnx__ModelProto *p;
	bool ok;

	/* a device or pipe has no folder for links and data either */
	w.piped = strcmp(how->path, "-") == 0 ||
	          (file_exists(how->path) && file_size(how->path) < 0);
	w.dir = path_dir(&tmp, how->path);
	w.materialize = how->materialize;
	w.inline_max = how->inline_max ? how->inline_max : 1024;
	w.piece_max = how->piece ? how->piece : (int64_t)10 << 30;
	w.link = dict_new(&tmp);
	w.name = dict_new(&tmp);
	w.data = has_data(&w, g);
	ok = (p = put_model(&w, g)) && pack(&w, p);
	arena_free(&tmp);
	return ok || note(c, "%s", how->path);
}

bool
onnx_write_bytes(Ctx *c, Graph *g, Buf *out)
{
	Arena tmp = {0};
	Writer w = {.c = c,
	            .tmp = &tmp,
	            .mem = g->mem,
	            .path = "-",
	            .piped = true};
	Onnx__ModelProto *p;
	uint8_t *at;
	size_t n;
	bool ok;

	w.inline_max = INT64_MAX;
	w.link = dict_new(&tmp);
	w.name = dict_new(&tmp);
	ok = (p = put_model(&w, g)) && get_size(&w, p, &n);
	if (ok) {
		at = arena_alloc(&tmp, n + 1);
		onnx__model_proto__pack(p, at);
		buf_add(out, at, n);
	}
	arena_free(&tmp);
	return ok;
}
