/* SPDX-License-Identifier: BSD-3-Clause
 * model-check.c - stages 1 to 3 on checkpoints with known outputs, computed
 * by the reference operators.
 *
 *   model-check [-k] [-d TYPE] [-t TOLERANCE] DIR...
 *
 * -k keeps the ONNX model, -d computes in float16 or bfloat16.
 *
 * DIR holds config.json, weights and expected.safetensors:
 *   input_ids.N, decode_logits.N, greedy.N   prompts of a decoder: fed in
 *       chunks of 16 with a cache of 128, then the greedy tokens one by one
 *   in.NAME, out.NAME                        one call of anything else
 * Prints one line per directory; exit 1 if a difference is over the
 * tolerance [2e-4], 3 if a stage refused. */

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "onnx.h"
#include "op.h"
#include "safetensors.h"

enum { CHUNK = 16, CTX = 128 };

typedef struct Run {
	Ctx *c;
	Arena a;
	const char *dir, *onnx, *dtype;
	SafeFile want;
	Span bytes;
	Graph *g;
	double worst;
	Value **state; /* by graph input, or NULL */
} Run;

static const SafeTensor *
tensor(Run *r, const char *name)
{
	return dict_get(r->want.byname, name);
}

static const void *
data(Run *r, const SafeTensor *t)
{
	return r->bytes.p + t->off;
}

static bool
stages(Run *r, const char *tmp)
{
	char *doc = arena_str(&r->a, "%s.qeff", tmp),
	     *doc2 = arena_str(&r->a, "%s.t.qeff", tmp);
	qe_load l = QE_LOAD_INIT;
	qe_transform t = QE_TRANSFORM_INIT;
	qe_export e = QE_EXPORT_INIT;
	bool ok;

	l.path = r->dir;
	l.out = t.in = doc;
	t.out = e.in = doc2;
	e.dtype = r->dtype;
	e.out = r->onnx = arena_str(&r->a, "%s.onnx", tmp);
	ok = qe_hf_load(r->c, &l) && qe_model_transform(r->c, &t) &&
	     qe_onnx_export(r->c, &e);
	remove(doc);
	remove(doc2);
	return ok;
}

static Value *
make(Arena *a, DType type, Shape s, const void *bytes)
{
	Value *v = NEW(a, Value);
	int64_t n = dtype_bytes(type, shape_count(&s));

	v->type = type;
	v->shape = s;
	v->data.len = n;
	v->data.mem = bytes ? arena_copy(a, bytes, (size_t)n)
	                    : arena_alloc(a, (size_t)n);
	return v;
}

static void
compare(Run *r, const float *got, const float *want, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double d = fabs((double)got[i] - (double)want[i]);

		if (!(d <= r->worst))
			r->worst = isnan(d) ? (double)INFINITY : d;
	}
}

/* ---- decoders ---- */

static void
reset(Run *r, Arena *a)
{
	r->state = NEWV(a, Value *, r->g->nin);
	for (int i = 0; i < r->g->nin; i++) {
		Value *in = r->g->in[i];
		Shape s = in->shape;

		if (!strchr(in->name, '.'))
			continue;
		s.dim[0] = 1;
		if (s.rank == 4 && s.dim[2] < 0)
			s.dim[2] = CTX;
		r->state[i] = make(a, in->type, s, NULL);
	}
}

static void
keep_state(Run *r, Value **out)
{
	for (int i = 0; i < r->g->nout; i++) {
		const char *name = r->g->out[i]->name;
		const char *at = strstr(name, "_RetainedState");

		for (int k = 0; at && k < r->g->nin; k++)
			if (strncmp(r->g->in[k]->name, name,
			            (size_t)(at - name)) == 0 &&
			    !r->g->in[k]->name[at - name])
				r->state[k] = out[i];
	}
}

/* n tokens from position p, padded to len; the logits of the last */
static const float *
feed(Run *r, Arena *a, const int64_t *ids, int64_t n, int64_t p, int64_t len)
{
	Shape s = {2, {1, len}};
	Value **in = NEWV(a, Value *, r->g->nin),
	      **out = NEWV(a, Value *, r->g->nout);
	int64_t *id = NEWV(a, int64_t, len), *pos = NEWV(a, int64_t, len);
	int64_t *length = NEWV(a, int64_t, 1); /* 0: as far as calls go */

	for (int64_t i = 0; i < len; i++) {
		id[i] = i < n ? ids[i] : 0;
		pos[i] = i < n ? p + i : -1;
	}
	for (int i = 0; i < r->g->nin; i++) {
		in[i] = r->state[i];
		if (strcmp(r->g->in[i]->name, "text_length") == 0)
			in[i] = make(a, DT_I64, (Shape){2, {1, 1}}, length);
		if (!in[i])
			in[i] = make(a, DT_I64, s,
			             strcmp(r->g->in[i]->name, "input_ids") == 0
			                     ? id
			                     : pos);
	}
	if (!graph_eval(r->c, a, r->g, in, out))
		return NULL;
	keep_state(r, out);
	return out[0]->data.mem;
}

static const float *
prefill(Run *r, Arena *a, const int64_t *ids, int64_t n)
{
	const float *logits = NULL;

	reset(r, a);
	for (int64_t p = 0; p < n; p += CHUNK)
		if (!(logits =
		              feed(r, a, ids + p, MIN(n - p, CHUNK), p, CHUNK)))
			return NULL;
	return logits;
}

static bool
prompt(Run *r, int i)
{
	Arena a = {0};
	const SafeTensor *ids = tensor(r, arena_str(&r->a, "input_ids.%d", i)),
			 *want = tensor(r, arena_str(&r->a, "decode_logits.%d",
	                                             i)),
			 *next = tensor(r, arena_str(&r->a, "greedy.%d", i));
	int64_t n = ids->shape.dim[0], v = want->shape.dim[1];
	const float *logits = prefill(r, &a, data(r, ids), n);
	const int64_t *token = data(r, next);

	for (int64_t k = 0; logits && k < want->shape.dim[0]; k++) {
		compare(r, logits, (const float *)data(r, want) + k * v, v);
		if (k + 1 < want->shape.dim[0])
			logits = feed(r, &a, token + k, 1, n + k, 1);
	}
	arena_free(&a);
	return logits != NULL;
}

/* rows of a padded batch, each alone; logits of its last token */
static bool
batch(Run *r)
{
	const SafeTensor *ids = tensor(r, "in.input_ids"),
			 *mask = tensor(r, "in.attention_mask"),
			 *want = tensor(r, "out.logits");
	int64_t s = ids->shape.dim[1], v = want->shape.dim[2];

	for (int64_t b = 0; b < ids->shape.dim[0]; b++) {
		Arena a = {0};
		int64_t *id = NEWV(&a, int64_t, s), n = 0, last = 0;
		const float *logits;

		for (int64_t i = 0; i < s; i++)
			if (((const int64_t *)data(r, mask))[b * s + i]) {
				id[n++] =
					((const int64_t *)data(r,
				                               ids))[b * s + i];
				last = i;
			}
		if (!(logits = prefill(r, &a, id, n)))
			return false;
		compare(r, logits,
		        (const float *)data(r, want) + (b * s + last) * v, v);
		arena_free(&a);
	}
	return true;
}

/* ---- everything else ---- */

/* Rows that the attention mask leaves out are not compared. */
static void
compare_rows(Run *r, const Value *got, const SafeTensor *want)
{
	const SafeTensor *mask = tensor(r, "in.attention_mask");
	const float *x = got->data.mem, *y = data(r, want);
	int64_t n = shape_count(&got->shape), rows;

	if (!shape_eq(&got->shape, &want->shape)) {
		r->worst = (double)INFINITY;
		return;
	}
	rows = got->shape.rank >= 2 ? got->shape.dim[0] * got->shape.dim[1] : 1;
	if (!mask || got->shape.rank < 2 || shape_count(&mask->shape) != rows) {
		compare(r, x, y, n);
		return;
	}
	for (int64_t i = 0; i < rows; i++)
		if (((const int64_t *)data(r, mask))[i])
			compare(r, x + i * (n / rows), y + i * (n / rows),
			        n / rows);
}

static bool
call(Run *r)
{
	Arena a = {0};
	Value **in = NEWV(&a, Value *, r->g->nin),
	      **out = NEWV(&a, Value *, r->g->nout);
	int seen = 0;

	for (int i = 0; i < r->g->nin; i++) {
		const char *name = r->g->in[i]->name;
		const SafeTensor *t = tensor(r, arena_str(&a, "in.%s", name));
		const SafeTensor *ids = tensor(r, "in.input_ids");

		if (!t && !ids)
			return fail(r->c, QE_INPUT, "no input '%s'", name);
		in[i] = t ? make(&a, t->type, t->shape, data(r, t))
		          : make(&a, DT_I64, ids->shape, NULL);
	}
	if (!graph_eval(r->c, &a, r->g, in, out))
		return false;
	for (int i = 0; i < r->g->nout; i++) {
		const SafeTensor *t =
			tensor(r, arena_str(&a, "out.%s", r->g->out[i]->name));

		if (t) {
			compare_rows(r, out[i], t);
			seen++;
		}
	}
	arena_free(&a);
	return seen || fail(r->c, QE_INPUT, "no output to compare");
}

static bool
numbers(Run *r)
{
	if (tensor(r, "input_ids.0")) {
		for (int i = 0; tensor(r, arena_str(&r->a, "input_ids.%d", i));
		     i++)
			if (!prompt(r, i))
				return false;
		return true;
	}
	return value_find(r->g, "position_ids") ? batch(r) : call(r);
}

static bool
check(Run *r, const char *tmp)
{
	char *path = path_join(&r->a, r->dir, "expected.safetensors");

	return stages(r, tmp) &&
	       safetensors_read(r->c, &r->a, path, &r->want) &&
	       file_map(r->c, &r->a, path, &r->bytes) &&
	       onnx_read(r->c, &r->a, r->onnx, &r->g) &&
	       graph_inline(r->c, r->g) && numbers(r);
}

/* the links beside the model go with the directory */
static void
clean(const char *dir)
{
	char cmd[256];

	snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
	if (system(cmd) != 0)
		fprintf(stderr, "%s: not removed\n", dir);
}

int
main(int argc, char **argv)
{
	double tolerance = 2e-4;
	int rc = 0, opt;
	const char *dtype = NULL;
	bool keep = false;

	while ((opt = getopt(argc, argv, "d:kt:")) != -1) {
		keep = keep || opt == 'k';
		if (opt == 'd')
			dtype = optarg;
		if (opt == 't')
			tolerance = strtod(optarg, NULL);
	}
	for (; optind < argc; optind++) {
		Run r = {.c = qe_open("model-check"),
		         .dir = argv[optind],
		         .dtype = dtype};
		char tmp[] = "/tmp/model-check-XXXXXX";
		bool ok;

		qe_set_share(r.c, getenv("QEFF_SHARE"));
		if (!mkdtemp(tmp))
			return 4;
		ok = check(&r, arena_str(&r.a, "%s/m", tmp));
		if (!ok)
			printf("ERROR  %-24s %d %s\n", path_base(r.dir),
			       qe_status(r.c), qe_message(r.c));
		else
			printf("%-6s %-24s max difference %.3g\n",
			       r.worst <= tolerance ? "ok" : "DIFFER",
			       path_base(r.dir), r.worst);
		rc = MAX(rc, !ok ? 3 : r.worst > tolerance);
		if (keep)
			printf("       %s/m.onnx\n", tmp);
		else
			clean(tmp);
		arena_free(&r.a);
		qe_close(r.c);
	}
	return rc;
}
