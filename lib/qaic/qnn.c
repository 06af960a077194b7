/* SPDX-License-Identifier: BSD-3-Clause
 * qnn.c - the command lines of the QNN SDK and the files they name.
 *
 * qairt-converter makes a DLC of the model, qnn-context-binary-generator a
 * context of that, whose backend binary is the programqpc.bin.  QEfficient
 * looks at the first two specializations only, and so does this. */

#include "qaic.h"

#define TARGET "x86_64-linux-clang"
#define DEFAULTS "converter_args_extension"
#define CONTEXT "context_binary_generator_args_extension"

enum { MAXCONFIG = 1 << 20 };

typedef struct Qnn {
	Ctx *c;
	Arena *a;
	Plan *p;
	const qe_compile *o;
	const Json *config; /* --qnn-config, or NULL */
	CustomIO io;
} Qnn;

/* ---- what is given ---- */

/* Arguments that only this may give. */
static bool
check_fixed(Qnn *q, const char *key, const char *const *fixed)
{
	const char *text = json_get_str(q->config, key, "");

	for (; *fixed; fixed++)
		if (strstr(text, *fixed))
			return fail(
				q->c, QE_INPUT,
				"%s: %s holds '%s', which cannot be changed",
				q->o->qnn_config, key, *fixed);
	return true;
}

static bool
read_config(Qnn *q)
{
	static const char *const converter[] = {"--input_network ",
	                                        "--output_path ",
	                                        "--config ",
	                                        "--float_bias_bitwidth ",
	                                        "--float_bitwidth ",
	                                        "--preserve_io_datatype",
	                                        "--onnx_skip_simplification",
	                                        NULL};
	static const char *const context[] = {"--binary_file ",
	                                      "--backend_binary ",
	                                      "--output_dir ",
	                                      "--backend ",
	                                      "--model ",
	                                      "--dlc_path ",
	                                      "--config_file ",
	                                      NULL};

	if (!q->o->qnn_config)
		return true;
	q->config = json_read(q->c, q->a, q->o->qnn_config, MAXCONFIG);
	return q->config && check_fixed(q, DEFAULTS, converter) &&
	       check_fixed(q, CONTEXT, context);
}

/* ---- custom_io_config.yaml ---- */

static const char *
io_type(const Qnn *q, const Value *v)
{
	for (int i = 0; i < q->io.n; i++)
		if (strcmp(q->io.name[i], v->name) == 0)
			return strcmp(q->io.type[i], "mxint8") == 0
			               ? "uint8"
			               : q->io.type[i];
	return dtypes[v->type].name;
}

/* "(1, 32)" by the sizes of a specialization. */
static bool
put_shape(Qnn *q, Buf *b, const Value *v, const Spec *s)
{
	buf_char(b, '(');
	for (int d = 0; d < v->shape.rank; d++) {
		const char *sym = v->sym ? v->sym[d] : NULL;
		int64_t n = v->shape.dim[d];

		if (n < 0 && (!sym || (n = spec_size(s, sym)) < 0))
			return fail(q->c, QE_INPUT,
			            "input '%s': dimension %d has no size",
			            v->name, d);
		buf_fmt(b, "%s%lld", d ? ", " : "", (long long)n);
	}
	buf_char(b, ')');
	return true;
}

/* Whether an input has two shapes in the file. */
static bool
has_two(const Qnn *q, const Value *v)
{
	const Specs *s = q->p->job->specs;

	if (s->n < 2)
		return false;
	if (strcmp(v->name, "input_ids") == 0 ||
	    strcmp(v->name, "position_ids") == 0)
		return true;
	for (int d = 0; v->sym && d < v->shape.rank; d++) {
		int64_t n = v->sym[d] ? spec_size(&s->spec[1], v->sym[d]) : -1;

		if (v->shape.dim[d] < 0 && n >= 0 &&
		    n != spec_size(&s->spec[0], v->sym[d]))
			return true;
	}
	return false;
}

static bool
put_input(Qnn *q, Buf *b, const Value *v)
{
	const Spec *s = q->p->job->specs->spec;

	buf_fmt(b,
	        "- Name: %s\n  Desired Model Parameters:\n    DataType: %s\n    Shape: ",
	        v->name, io_type(q, v));
	if (!put_shape(q, b, v, &s[0]))
		return false;
	if (has_two(q, v)) {
		buf_str(b, ", ");
		if (!put_shape(q, b, v, &s[1]))
			return false;
	}
	buf_char(b, '\n');
	return true;
}

static const char *
io_config(Qnn *q)
{
	const Graph *g = q->p->job->g;
	Buf *b = buf_new(q->a);

	buf_str(b, "Input Tensor Configuration:\n");
	for (int i = 0; i < g->nin; i++)
		if (!put_input(q, b, g->in[i]))
			return NULL;
	buf_str(b, "Output Tensor Configuration:\n");
	for (int i = 0; i < g->nout; i++)
		buf_fmt(b,
		        "- Name: %s\n  Desired Model Parameters:\n    DataType: %s\n",
		        g->out[i]->name, io_type(q, g->out[i]));
	return plan_file(q->a, q->p, "custom_io_config.yaml",
	                 (Span){b->p, b->n});
}

/* ---- JSON ---- */

static Json *
graph_names(const Qnn *q)
{
	Json *o = json_object_new_array();
	int n = q->p->job->specs->n == 1 ? 0 : 2;

	if (!n)
		json_push(o, json_object_new_string("model"));
	for (int i = 1; i <= n; i++)
		json_push(o, json_object_new_string(
				     arena_str(q->a, "model_configuration_%d",
		                               i)));
	return o;
}

static void
put_settings(const Qnn *q, Json *o)
{
	const qe_compile *k = q->o;

	json_put_str(o, "compiler_compilation_target", "hardware");
	json_put_str(o, "compiler_hardware_version", "2.0");
	json_put_bool(o, "compiler_convert_to_FP16", true);
	json_put_bool(o, "compiler_retained_state", true);
	json_put(o, "graph_names", graph_names(q));
	json_put_bool(o, "compiler_enable_depth_first",
	              k->aic_enable_depth_first);
	json_put_bool(o, "compiler_mxfp6_matmul_weights",
	              k->weights && strcmp(k->weights, "mxfp6") == 0);
	json_put_int(o, "compiler_num_of_cores", plan_cores(k));
	json_put_bool(o, "compiler_do_DDR_to_multicast", true);
	json_put_bool(o, "compiler_perfWarnings", false);
	json_put_bool(o, "compiler_printDDRStats", false);
	json_put_bool(o, "compiler_printPerfMetrics", false);
	json_put_int(o, "compiler_stat_level", 10);
	json_put_int(o, "compiler_stats_batch_size", 1);
	json_put_bool(o, "compiler_time_passes", false);
	json_put_bool(o, "compiler_mxint8_mdp_io", k->allow_mxint8_mdp_io);
	if (k->mos > 0)
		json_put_str(o, "compiler_max_out_channel_split",
		             arena_str(q->a, "%lld", (long long)k->mos));
}

static const char *
backend_config(Qnn *q)
{
	Json *o = json_new(q->a),
	     *mine = json_get(q->config, "qnn_compilation_backend");
	int64_t n = plan_devices(q->o);

	put_settings(q, o);
	if (n > 1)
		json_put_str(o, "compiler_mdp_load_partition_config",
		             plan_json(q->a, q->p, "tensor_slicing.json",
		                       mdp_slices(q->a, n, 0)));
	if (json_is(mine, json_type_object)) {
		json_object_object_foreach(mine, key, v)
			json_put(o, key, v ? json_share(v) : NULL);
	}
	return plan_json(q->a, q->p, "qnn_compile_backend.json", o);
}

static const char *
compiler_config(Qnn *q)
{
	Json *root = json_new(q->a), *o = json_object_new_object();

	json_put(root, "backend_extensions", o);
	json_put_str(o, "config_file_path", backend_config(q));
	json_put_str(o, "shared_library_path",
	             arena_str(q->a,
	                       "%s/lib/" TARGET "/libQnnAicNetRunExtensions.so",
	                       q->p->tools->root));
	return plan_json(q->a, q->p, "qnn_compiler_config.json", root);
}

static void
push_cache(Json *list, const char *name)
{
	Json *o;

	if (!state_find(io_base(name)))
		return;
	o = json_object_new_object();
	json_put_str(o, "tensor_name", name);
	json_put_str(o, "dataFormat", "QNN_TENSOR_DATA_FORMAT_MX");
	json_push(list, o);
}

static const char *
data_format_config(Qnn *q)
{
	const Graph *g = q->p->job->g;
	Json *root = json_new(q->a), *graphs = json_object_new_array();

	json_put(root, "graphs", graphs);
	for (int k = 1; k <= 2; k++) {
		Json *o = json_object_new_object(),
		     *list = json_object_new_array();

		json_put_str(o, "graph_name",
		             arena_str(q->a, "model_configuration_%d", k));
		for (int i = 0; i < g->nin; i++)
			push_cache(list, g->in[i]->name);
		for (int i = 0; i < g->nout; i++)
			push_cache(list, g->out[i]->name);
		json_put(o, "tensors", list);
		json_push(graphs, o);
	}
	return plan_json_as_put(q->a, q->p, "qnn_data_format_config.json",
	                        root);
}

/* ---- commands ---- */

static void
put(Qnn *q, Command *cmd, const char *const *arg)
{
	for (; *arg; arg++)
		plan_arg(q->a, cmd, *arg);
}

static void
put_words(Qnn *q, Command *cmd, const char *text)
{
	put(q, cmd, (const char *const *)str_split(q->a, text, ' '));
}

static bool
converter(Qnn *q, Command *cmd)
{
	const char *io = io_config(q);

	if (!io)
		return false;
	cmd->what = "qairt-converter";
	put(q, cmd,
	    (const char *const[]){q->p->tools->program[0], "--input_network",
	                          q->p->model, "--output_path",
	                          path_join(q->a, q->p->dir, "model.dlc"),
	                          "--config", io, "--float_bias_bitwidth", "32",
	                          "--float_bitwidth", "16",
	                          "--preserve_io_datatype",
	                          "--onnx_skip_simplification",
	                          "--target_backend", "AIC", NULL});
	put_words(q, cmd, json_get_str(q->config, DEFAULTS, ""));
	return true;
}

static void
generator(Qnn *q, Command *cmd)
{
	const char *more = json_get_str(q->config, CONTEXT, "");
	const char *config = compiler_config(q);

	cmd->what = "qnn-context-binary-generator";
	put(q, cmd,
	    (const char *const[]){q->p->tools->program[1], "--binary_file",
	                          "qnngraph.serialized", "--backend_binary",
	                          "programqpc.bin", "--output_dir",
	                          path_join(q->a, q->p->dir, "qpc"),
	                          "--backend",
	                          arena_str(q->a,
	                                    "%s/lib/" TARGET "/libQnnAic.so",
	                                    q->p->tools->root),
	                          "--dlc_path",
	                          path_join(q->a, q->p->dir, "model.dlc"),
	                          "--config_file", config, NULL});
	if (q->o->kv_cache_dtype && strcmp(q->o->kv_cache_dtype, "mxint8") == 0)
		put(q, cmd,
		    (const char *const[]){"--data_format_config",
		                          data_format_config(q), NULL});
	if (!strstr(more, "--log_level "))
		put(q, cmd,
		    (const char *const[]){"--log_level", "error", NULL});
	put_words(q, cmd, more);
}

/* Options of qaic-compile that have no place here. */
static bool
check_options(const Qnn *q)
{
	const qe_compile *o = q->o;
	const struct {
		const char *name;
		bool given;
	} none[] = {{"flags after '--' (put them in --qnn-config)",
	             o->flags && *o->flags},
	            {"--node-precision-info", o->node_precision_info != NULL},
	            {"--fp32-nodes", o->fp32_nodes != NULL},
	            {"--custom-io", o->custom_io != NULL},
	            {"--mdp-load-partition-config",
	             o->mdp_load_partition_config != NULL},
	            {"--mdp-num-partitions", o->mdp_num_partitions > 1},
	            {"--mdp-dump-partition-config",
	             o->mdp_dump_partition_config != NULL},
	            {"--use-onnx-subfunctions", o->use_onnx_subfunctions},
	            {"--weights other than mxfp6 and float16",
	             o->weights && strcmp(o->weights, "mxfp6") != 0 &&
	                     strcmp(o->weights, "float16") != 0}};

	for (size_t i = 0; i < LEN(none); i++)
		if (none[i].given)
			return fail(q->c, QE_USAGE,
			            "--backend qnn does not know %s",
			            none[i].name);
	return true;
}

bool
qnn_plan(Ctx *c, Arena *a, Plan *p)
{
	Qnn q = {.c = c, .a = a, .p = p, .o = p->job->o};

	p->binary = "qpc/programqpc.bin";
	if (p->named && precision_is_lost(p->job->g))
		say(c, 0,
		    "the card computes this model's rope in float16, which is wrong beyond some 2000 positions: --backend qaic keeps float32 there");
	if (!check_options(&q) || !read_config(&q) ||
	    !custom_io(c, a, p->job, &q.io))
		return false;
	if (!json_get_bool(q.config, "SKIP_QNN_CONVERTER_STEP", false) &&
	    !converter(&q, &p->cmd[p->ncmd++]))
		return false;
	generator(&q, &p->cmd[p->ncmd++]);
	plan_json_as_put(a, p, "specializations.json",
	                 specs_json(a, p->job->specs, true));
	return true;
}
