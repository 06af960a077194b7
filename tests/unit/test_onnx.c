/* SPDX-License-Identifier: BSD-3-Clause
 * Reads as the rules of the ONNX reader and writer. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "onnx.h"

static char dir[] = "/tmp/qeff-onnx-XXXXXX";

static const char *
in_dir(Ctx *c, const char *name)
{
	return path_join(&c->mem, dir, name);
}

static void
add_function(Graph *g)
{
	Function *f = NEW(g->mem, Function);
	Graph *b = graph_new(g->mem, "Scale");
	Value *x = value_input(b, "x", DT_NONE, NULL);
	Value *two = const_f32(b, "two", 2);
	Value *y = value_new(b, "y", DT_NONE, NULL);
	Node *n = node_new(b, "", "Elu", 1, &x, 1, &y);

	attr_add(b, n, "alpha", ATTR_FLOAT)->ref = "alpha";
	graph_output(b, node_add(b, "Mul", "z", y, two, NULL));
	graph_import(b, "", 17);
	*f = (Function){.domain = "local", .name = "Scale", .body = b};
	f->defattr = NEW(g->mem, Attr);
	*f->defattr = (Attr){.name = "alpha", .type = ATTR_FLOAT, .f = 0.5};
	f->ndefattr = 1;
	PUSH(g->mem, g->func, g->nfunc, g->capfunc, f);
}

static Graph *
branch(Graph *g, const char *name, Value *x)
{
	Graph *b = graph_new(g->mem, name);

	b->parent = g;
	graph_output(b, node_add(b, "Neg", NULL, x, NULL, NULL));
	b->out[0]->type = DT_F32;
	b->out[0]->shape = (Shape){1, {-1}};
	return b;
}

/* One of everything that a model can hold. */
static Graph *
sample(Arena *a)
{
	static const int64_t ints[] = {1, -2, 3};
	Graph *g = graph_new(a, "sample");
	Value *x = value_input(g, "x", DT_F32, &(Shape){2, {-1, 3}}), *y, *z;
	Value *yes = const_bytes(g, "yes", DT_BOOL, &(Shape){0}, "\1");
	Value *in[] = {x, NULL, x};
	Node *n;

	x->sym = NEWV(a, const char *, 2);
	x->sym[0] = "batch";
	graph_import(g, "", 17);
	graph_import(g, "other", 3);
	dict_set(g->meta, "note", arena_dup(a, "\xc3\xa9"));
	value_input(g, "seq", DT_I64, &(Shape){1, {-1}})->kind = VALUE_SEQUENCE;
	value_input(g, "opt", DT_F16, &(Shape){0})->kind = VALUE_OPTIONAL;
	add_function(g);
	y = value_new(g, "y", DT_F32, &(Shape){.rank = -1});
	n = node_new(g, "local", "Scale", 1, &x, 1, &y);
	z = value_new(g, "z", DT_NONE, NULL);
	n = node_new(g, "other", "Odd", 3, in, 1, &z);
	n->name = "odd";
	attr_set_ints(g, n, "ints", 3, ints);
	attr_set_int(g, n, "int", INT64_MIN);
	attr_set_float(g, n, "float", 0.1);
	attr_set_str(g, n, "str", "text");
	attr_add(g, n, "t", ATTR_TENSOR)->t =
		const_i64(graph_new(a, ""), "", 3, ints);
	z = value_new(g, "out", DT_F32, &(Shape){1, {-1}});
	n = node_new(g, "", "If", 1, &yes, 1, &z);
	attr_add(g, n, "then_branch", ATTR_GRAPH)->g = branch(g, "a", x);
	attr_add(g, n, "else_branch", ATTR_GRAPH)->g = branch(g, "b", y);
	graph_output(g, z);
	return g;
}

static bool
write_to(Ctx *c, Graph *g, const char *path)
{
	return onnx_write(c, g, &(OnnxWrite){.path = path});
}

static void
same_bytes(Ctx *c, const char *a, const char *b)
{
	Digest x, y;

	CHECK(hash_file(c, a, &x) && hash_file(c, b, &y));
	CHECK_STR(x.hex, y.hex);
}

static void
a_model_survives(void)
{
	Ctx c = {.tool = "test"};
	const char *one = in_dir(&c, "one.onnx"), *two = in_dir(&c, "two.onnx");
	Graph *g, *h = NULL;
	const Node *n;
	const int64_t *ints;
	Value *v;

	g = sample(&c.mem);
	CHECK(write_to(&c, g, one) && onnx_read(&c, &c.mem, one, &h));
	CHECK(h && write_to(&c, h, two));
	CHECK_STR(c.msg, "");
	same_bytes(&c, one, two);
	CHECK(h->nnode == 3 && h->nin == 3 && h->nout == 1 && h->nfunc == 1);
	CHECK(graph_opset(h, "other") == 3 && graph_opset(h, "local") == 1);
	CHECK_STR(dict_get(h->meta, "note"), "\xc3\xa9");
	v = value_find(h, "x");
	CHECK(v->type == DT_F32 && v->shape.rank == 2 && v->shape.dim[0] == -1);
	CHECK_STR(v->sym[0], "batch");
	CHECK(!v->sym[1]);
	CHECK(value_find(h, "seq")->kind == VALUE_SEQUENCE);
	CHECK(value_find(h, "opt")->kind == VALUE_OPTIONAL);
	v = value_find(h, "y");
	CHECK(v->type == DT_F32 && v->shape.rank == -1);
	n = h->node[1];
	CHECK(n->nin == 3 && n->in[0] == n->in[2] && !n->in[1]);
	CHECK(attr_ints(n, "ints", &ints) == 3 && ints[1] == -2);
	CHECK(attr_int(n, "int", 0) == INT64_MIN);
	CHECK(attr_float(n, "float", 0) == (double)0.1f);
	CHECK_STR(attr_str(n, "str", ""), "text");
	v = attr_find(n, "t")->t;
	CHECK(v->shape.dim[0] == 3 && v->data.len == 24);
	v = attr_find(h->node[2], "else_branch")->g->node[0]->in[0];
	CHECK(v == value_find(h, "y"));
	CHECK(h->func[0]->ndefattr == 1 && h->func[0]->defattr->f == 0.5);
	CHECK(h->func[0]->body->nnode == 3); /* the constant is a node now */
	CHECK_STR(h->func[0]->body->node[1]->attr[0].ref, "alpha");
	arena_free(&c.mem);
}

static Graph *
with_weight(Ctx *c, Value **w)
{
	Graph *g = graph_new(&c->mem, "w");
	Shape s = {1, {1000}};
	float *x = NEWV(&c->mem, float, 1000);
	Value *in = value_input(g, "x", DT_F32, &s);

	for (int i = 0; i < 1000; i++)
		x[i] = (float)i;
	*w = const_bytes(g, "w", DT_F32, &s, x);
	graph_import(g, "", 17);
	graph_output(g, node_add(g, "Add", "y", in, *w, NULL));
	g->out[0]->type = DT_F32;
	g->out[0]->shape = s;
	return g;
}

static void
large_constants_go_beside_the_model(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "big.onnx");
	Graph *g, *h;
	Value *w, *v;

	g = with_weight(&c, &w);
	CHECK(write_to(&c, g, path) && file_size(path) < 500);
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w");
	CHECK(v && v->data.src && !v->data.mem && v->data.off % 4096 == 0);
	CHECK_STR(path_base(v->data.src->path), "big.onnx.data");
	CHECK(memcmp(blob_data(&c, &c.mem, &v->data), w->data.mem, 4000) == 0);
	/* onto itself: the data stays where it is */
	CHECK(write_to(&c, h, path) && onnx_read(&c, &c.mem, path, &h));
	/* and with another constant for the same file: both are in it */
	v = const_bytes(h, "w2", DT_F32, &(Shape){1, {1000}}, w->data.mem);
	graph_output(h, node_add(h, "Neg", "n", v, NULL, NULL));
	h->out[1]->type = DT_F32;
	h->out[1]->shape = v->shape;
	CHECK(write_to(&c, h, path) && onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w2");
	CHECK(v->data.off == 4096);
	CHECK(memcmp(blob_data(&c, &c.mem, &v->data), w->data.mem, 4000) == 0);
	v = value_find(h, "w");
	CHECK(memcmp(blob_data(&c, &c.mem, &v->data), w->data.mem, 4000) == 0);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

/* A model whose weight is in elsewhere/name, 96 bytes into it. */
static Graph *
with_source(Ctx *c, const char *folder, const char *name, bool digest)
{
	const char *sub = in_dir(c, folder),
		   *path = path_join(&c->mem, sub, name);
	Value *w;
	Graph *g = with_weight(c, &w);
	Buf *b = buf_new(&c->mem);
	Source *s = graph_source(g, path);

	buf_add(b, "\x58\0\0\0\0\0\0\0", 8); /* a header of 88 bytes */
	for (int i = 8; i < 96; i++)
		buf_char(b, folder[0]);
	buf_add(b, w->data.mem, 4000);
	mkdir(sub, 0777);
	CHECK(file_write(c, path, b->p, b->n));
	s->size = 4096;
	s->hashed = 96;
	if (digest)
		CHECK(hash_head(c, path, 96, &s->digest));
	w->data = (Blob){.src = s, .off = 96, .len = 4000};
	return g;
}

static void
files_are_linked(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "link.onnx"), *to = in_dir(&c, "w.bin");
	Graph *g = with_source(&c, "there", "w.bin", true), *h = NULL;
	struct stat a, b;
	Value *v;

	CHECK(write_to(&c, g, path));
	CHECK(stat(to, &a) == 0 && stat(in_dir(&c, "there/w.bin"), &b) == 0);
	CHECK(a.st_ino == b.st_ino);
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w");
	CHECK(v->data.src->hashed == 96 && *v->data.src->digest.hex);
	/* another file of that name gets another name */
	g = with_source(&c, "here", "w.bin", true);
	CHECK(write_to(&c, g, in_dir(&c, "link2.onnx")));
	CHECK(onnx_read(&c, &c.mem, in_dir(&c, "link2.onnx"), &h));
	v = value_find(h, "w");
	CHECK(str_glob("*/w-????????.bin", v->data.src->path));
	unlink(v->data.src->path);
	/* materialised, there is no link */
	CHECK(onnx_write(&c, g,
	                 &(OnnxWrite){.path = in_dir(&c, "whole.onnx"),
	                              .materialize = true}));
	CHECK(onnx_read(&c, &c.mem, in_dir(&c, "whole.onnx"), &h));
	v = value_find(h, "w");
	CHECK_STR(path_base(v->data.src->path), "whole.onnx.data");
	CHECK(v->data.off == 0 && v->data.len == 4000);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

/* Where a hard link cannot go: a symbolic one if the reader will believe it,
 * else a copy. */
static void
other_file_systems_will_do(void)
{
	char far[] = "/dev/shm/qeff-onnx-XXXXXX";
	Ctx c = {0};
	const char *path;
	struct stat a, b;
	Graph *h;

	if (!mkdtemp(far) || stat(far, &a) < 0 || stat(dir, &b) < 0 ||
	    a.st_dev == b.st_dev)
		return;
	path = path_join(&c.mem, far, "m.onnx");
	CHECK(write_to(&c, with_source(&c, "there", "w.bin", true), path));
	CHECK(lstat(path_join(&c.mem, far, "w.bin"), &a) == 0);
	CHECK(S_ISLNK(a.st_mode) && onnx_read(&c, &c.mem, path, &h));
	unlink(path_join(&c.mem, far, "w.bin"));
	CHECK(write_to(&c, with_source(&c, "there", "w.bin", false), path));
	CHECK(lstat(path_join(&c.mem, far, "w.bin"), &a) == 0);
	CHECK(S_ISREG(a.st_mode) && onnx_read(&c, &c.mem, path, &h));
	/* a copy is known again */
	CHECK(write_to(&c, with_source(&c, "there", "w.bin", false), path));
	CHECK_STR(c.msg, "");
	unlink(path);
	unlink(path_join(&c.mem, far, "w.bin"));
	CHECK(rmdir(far) == 0);
	arena_free(&c.mem);
}

static void
devices_get_no_company(void)
{
	Ctx c = {0};

	CHECK(write_to(&c, with_source(&c, "there", "odd.bin", true),
	               "/dev/null"));
	CHECK(!file_exists("/dev/odd.bin") && file_exists("/dev/null"));
	arena_free(&c.mem);
}

static bool
unread(const char *path, const char *why)
{
	Ctx c = {0};
	Graph *g;
	bool ok = !onnx_read(&c, &c.mem, path, &g) && strstr(c.msg, why);

	if (!ok)
		CHECK_STR(c.msg, why);
	arena_free(&c.mem);
	return ok;
}

static void
changed_files_are_named(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "link.onnx"), *to = in_dir(&c, "w.bin");
	Span was;

	CHECK(file_read(&c, &c.mem, to, 1 << 20, &was));
	unlink(to);
	CHECK(unread(path, "w.bin: No such file"));
	CHECK(file_write(&c, to, was.p, was.n - 1));
	CHECK(unread(path, "w.bin: has changed: 4095 bytes, was 4096"));
	((char *)(uintptr_t)was.p)[95] ^= 1;
	CHECK(file_write(&c, to, was.p, was.n));
	CHECK(unread(path, "w.bin: has changed: digest"));
	arena_free(&c.mem);
}

/* Runs fn with descriptor fd on a file. */
static bool
redirected(int fd, const char *path, int flags, bool (*fn)(Ctx *, Graph **),
           Ctx *c, Graph **g)
{
	int was = dup(fd), to = open(path, flags, 0666);
	bool ok;

	fflush(stdout);
	dup2(to, fd);
	close(to);
	ok = fn(c, g);
	dup2(was, fd);
	close(was);
	return ok;
}

static bool
write_stdout(Ctx *c, Graph **g)
{
	return write_to(c, *g, "-");
}

static bool
read_stdin(Ctx *c, Graph **g)
{
	return onnx_read(c, &c->mem, "-", g);
}

static void
pipes_carry_absolute_places(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "piped.onnx"), *fifo = in_dir(&c, "fifo");
	Graph *g = with_source(&c, "there", "w.bin", true), *h;
	Value *v;

	CHECK(redirected(1, path, O_WRONLY | O_CREAT | O_TRUNC, write_stdout,
	                 &c, &g));
	/* listed with its digest, so a file may name it too */
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w");
	CHECK_STR(v->data.src->path,
	          path_absolute(&c, &c.mem, in_dir(&c, "there/w.bin")));
	CHECK(redirected(0, path, O_RDONLY, read_stdin, &c, &h));
	/* a digest that nobody had is made */
	g = with_source(&c, "there", "w.bin", false);
	CHECK(redirected(1, path, O_WRONLY | O_CREAT | O_TRUNC, write_stdout,
	                 &c, &g));
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w");
	CHECK(v && v->data.src->hashed == 4096);
	/* one of a part that anybody may know is not believed */
	g = with_source(&c, "there", "w.bin", false);
	value_find(g, "w")->data.src->hashed = 8;
	CHECK(hash_head(&c, value_find(g, "w")->data.src->path, 8,
	                &value_find(g, "w")->data.src->digest));
	CHECK(redirected(1, path, O_WRONLY | O_CREAT | O_TRUNC, write_stdout,
	                 &c, &g));
	CHECK(unread(path, "is absolute, and not in qeff.files"));
	CHECK(mkfifo(fifo, 0600) == 0);
	if (fork() == 0) {
		Span s;
		int fd = open(fifo, O_WRONLY);

		_exit(fd < 0 || !file_read(&c, &c.mem, path, 1 << 20, &s) ||
		      write(fd, s.p, s.n) < 0);
	}
	CHECK(redirected(0, fifo, O_RDONLY, read_stdin, &c, &h));
	CHECK(value_find(h, "w") && value_find(h, "w")->data.src);
	/* in memory: inline, there is no other place */
	g = with_weight(&c, &v);
	CHECK(redirected(1, path, O_WRONLY | O_CREAT | O_TRUNC, write_stdout,
	                 &c, &g));
	CHECK(file_size(path) > 4000);
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w");
	CHECK(v->data.src && v->data.src->map.p); /* stays in the file */
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

/* Protobuf by hand: a field of bytes. */
static Span
bytes(Arena *a, int field, Span s)
{
	Buf *b = buf_new(a);

	buf_char(b, (char)(field << 3 | 2));
	for (size_t n = s.n; n >= 0x80; n >>= 7)
		buf_char(b, (char)(n | 0x80));
	buf_char(b, (char)(s.n >> 7 * ((s.n > 0x7f) + (s.n > 0x3fff))));
	buf_add(b, s.p, s.n);
	return (Span){b->p, b->n};
}

static Span
join(Arena *a, Span x, Span y)
{
	Buf *b = buf_new(a);

	buf_add(b, x.p, x.n);
	buf_add(b, y.p, y.n);
	return (Span){b->p, b->n};
}

static void
refuse_bytes(Ctx *c, Span s, const char *why)
{
	const char *path = in_dir(c, "bad.onnx");

	CHECK(file_write(c, path, s.p, s.n));
	CHECK(unread(path, why));
}

/* A model of this graph. */
static void
refuse_graph(Ctx *c, Span graph, const char *why)
{
	Span head = {"\x08\x08\x42\x02\x10\x11", 6};

	refuse_bytes(c, join(&c->mem, head, bytes(&c->mem, 7, graph)), why);
}

/* A model with an initializer "w" of these further fields. */
static void
refuse_tensor(Ctx *c, Span fields, const char *why)
{
	Span t = join(&c->mem, (Span){"\x42\1w", 3}, fields);

	refuse_graph(c, bytes(&c->mem, 5, t), why);
}

#define B(s) ((Span){s, sizeof(s) - 1})

static void
bad_models_are_refused(void)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	Span deep = B(""), many = B("");

	refuse_bytes(&c, B(""), "it is empty");
	refuse_bytes(&c, B("{\"a\": 1}"), "looks like a JSON document");
	refuse_bytes(&c, B("\x08\x08"), "without a graph");
	refuse_bytes(&c, B("\x08\x08\x3a\x7f"), "127 bytes where 0 are left");
	refuse_graph(&c, B("\x0b\x0c"), "graph.node[0]: not ONNX: wire");
	refuse_graph(&c, B("\x12\x02\xff\xff"), "graph.name: not UTF-8");
	refuse_graph(&c, B("\x12\x02x\0"), "graph.name: NUL in a text");
	for (int i = 0; i < 40; i++) /* attribute of a node of a graph */
		deep = bytes(a, 1, bytes(a, 5, bytes(a, 6, deep)));
	refuse_graph(&c, deep, "nested too deeply");
	refuse_graph(&c, B("\x0a\x05\x0a\1x\x22\0"), "input 'x' is not made");
	refuse_graph(&c, B("\x0a\x03\x22\1A\x0a\x03\x12\1x"), "no op_type");
	refuse_graph(&c, B("\x0a\x06\x12\1x\x22\1A\x0a\x06\x12\1x\x22\1A"),
	             "value 'x' is made twice");
	refuse_graph(&c, B("\x62\x03\x0a\1x"), "output 'x' is not made");
	refuse_graph(&c, B("\x7a\0"), "sparse initializers");
	refuse_graph(&c,
	             B("\x0a\x09\x0a\1y\x12\1x\x22\1A"
	               "\x0a\x09\x0a\1x\x12\1y\x22\1A"),
	             "part of a cycle");
	refuse_graph(&c, B("\x5a\x07\x0a\1x\x12\x02\x2a\0"), "a map or");
	for (int i = 0; i < 1025; i++)
		many = join(a, many, B("\x2a\0"));
	many = join(a, B("\x22\1A"), many);
	refuse_graph(&c, bytes(a, 1, many), "1025 attributes, at most 1024");
	refuse_tensor(&c, B("\x10\x0f"), "element type 15 of ONNX");
	refuse_tensor(&c, B("\x08\2\x10\1\x4a\1x"), "needs 8 bytes, has 1");
	refuse_tensor(&c, B("\x08\2\x10\1\x25\0\0\0\0"), "2 elements, has 1");
	refuse_tensor(&c, B("\x08\2\x10\x08\x32\1x"), "2 elements, has 1");
	refuse_tensor(&c, B("\x10\1\x1a\0"), "in segments");
	refuse_tensor(&c, B("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x10\1"),
	              "dimension 0 is -1");
	refuse_tensor(&c, B("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10\1"),
	              "overflows");
	refuse_tensor(&c, B("\x08\1\x10\x08\x70\1"), "needs 1 elements");
	refuse_tensor(&c, B("\x10\1\x70\1"), "without location");
	arena_free(&c.mem);
}

/* An external_data entry. */
static Span
entry(Arena *a, const char *key, const char *value)
{
	return bytes(a, 13,
	             join(a, bytes(a, 1, SPAN(key)), bytes(a, 2, SPAN(value))));
}

static void
refuse_location(Ctx *c, const char *location, const char *off, const char *why)
{
	Arena *a = &c->mem;
	Span t = join(a, entry(a, "location", location),
	              entry(a, "offset", off));

	refuse_tensor(c, join(a, t, B("\x08\1\x10\1\x70\1")), why);
}

static void
places_outside_are_refused(void)
{
	Ctx c = {0};
	const char *out = in_dir(&c, "out.bin");

	CHECK(symlink("/etc/passwd", out) == 0);
	CHECK(file_write(&c, in_dir(&c, "in.bin"), "12345678", 8));
	refuse_location(&c, "/etc/passwd", "0", "is absolute");
	refuse_location(&c, "../etc/passwd", "0", "No such file");
	refuse_location(&c, "there/../in.bin", "0", "no path inside");
	refuse_location(&c, "there//../in.bin", "0", "no path inside");
	refuse_location(&c, "./in.bin", "0", "no path inside");
	refuse_location(&c, "", "0", "not a regular file");
	refuse_location(&c, "there", "0", "not a regular file");
	refuse_location(&c, "out.bin", "0", "a link out of the folder");
	refuse_location(&c, "in.bin", "0", "needs 4 bytes, has 8");
	refuse_location(&c, "in.bin", "9", "of a file of 8");
	refuse_location(&c, "in.bin", "-1", "offset '-1'");
	unlink(out);
	arena_free(&c.mem);
}

/* The cache of the Hugging Face tools: files are links to blobs. */
static void
a_snapshot_has_its_blobs(void)
{
	Ctx c = {0};
	const char *to = in_dir(&c, "snapshots/c0ffee");
	const char *path = path_join(&c.mem, to, "m.onnx");
	Graph *g, *h = NULL;
	Value *w;

	g = with_weight(&c, &w);
	mkdir(in_dir(&c, "snapshots"), 0777);
	mkdir(in_dir(&c, "blobs"), 0777);
	mkdir(to, 0777);
	CHECK(write_to(&c, g, path));
	CHECK(rename(path_join(&c.mem, to, "m.onnx.data"),
	             in_dir(&c, "blobs/data")) == 0);
	CHECK(symlink("../../blobs/data",
	              path_join(&c.mem, to, "m.onnx.data")) == 0);
	CHECK(onnx_read(&c, &c.mem, path, &h));
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

static void
data_is_split(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "split.onnx");
	Graph *g, *h;
	Value *w, *v;

	g = with_weight(&c, &w);
	v = const_bytes(g, "w2", DT_F32, &(Shape){1, {1000}}, w->data.mem);
	graph_output(g, node_add(g, "Neg", "n", v, NULL, NULL));
	CHECK(onnx_write(&c, g, &(OnnxWrite){.path = path, .piece = 5000}));
	CHECK(file_size(in_dir(&c, "split.onnx.data")) == 4000 &&
	      file_size(in_dir(&c, "split.onnx.data-2")) == 4000);
	CHECK(onnx_read(&c, &c.mem, path, &h));
	v = value_find(h, "w2");
	CHECK_STR(path_base(v->data.src->path), "split.onnx.data-2");
	CHECK(memcmp(blob_data(&c, &c.mem, &v->data), w->data.mem, 4000) == 0);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

static void
nodes_out_of_order_are_sorted(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "bad.onnx");
	Graph *g;
	/* y = A(x) before x = B(w); w is an empty constant */
	Span m = B("\x08\x08\x42\x02\x10\x11\x3a\x21"
	           "\x0a\x09\x0a\1x\x12\1y\x22\1A"
	           "\x0a\x09\x0a\1w\x12\1x\x22\1B"
	           "\x2a\x09\x08\0\x42\1w\x10\1\x4a\0");

	CHECK(file_write(&c, path, m.p, m.n));
	if (!onnx_read(&c, &c.mem, path, &g))
		CHECK_STR(c.msg, "");
	else
		CHECK(g->nnode == 2 && *g->node[0]->type == 'B');
	arena_free(&c.mem);
}

static void
a_model_in_memory_sees_no_files(void)
{
	Ctx c = {0};
	Buf *b = buf_new(&c.mem);
	float x[1000];
	Graph *g;
	Value *w;
	Span s;

	g = with_weight(&c, &w);
	CHECK(onnx_write_bytes(&c, g, b) && b->n > 4000);
	CHECK(onnx_read_bytes(&c, &c.mem, (Span){b->p, b->n}, &g));
	w = value_find(g, "w");
	memcpy(x, blob_data(&c, &c.mem, &w->data), sizeof x);
	CHECK(x[999] == 999);
	CHECK(file_read(&c, &c.mem, in_dir(&c, "big.onnx"), 1 << 20, &s));
	CHECK(!onnx_read_bytes(&c, &c.mem, s, &g));
	CHECK(strstr(c.msg, "refers to the file 'big.onnx.data'") != NULL);
	arena_free(&c.mem);
}

/* The ONNX project's own checker, where it is installed. */
static void
the_checker_agrees(void)
{
	char cmd[512];

	snprintf(cmd, sizeof cmd,
	         "cd %s && /usr/bin/python3 -c 'import onnx\n"
	         "try:\n"
	         "  for f in \"one\", \"big\", \"whole\":\n"
	         "    onnx.checker.check_model(f + \".onnx\")\n"
	         "except Exception as e: print(e)'"
	         " 2>/dev/null >checked; test ! -s checked",
	         dir);
	CHECK(system(cmd) == 0);
}

int
main(void)
{
	Ctx c = {0};

	if (!mkdtemp(dir))
		return 1;
	a_model_survives();
	large_constants_go_beside_the_model();
	files_are_linked();
	other_file_systems_will_do();
	devices_get_no_company();
	changed_files_are_named();
	pipes_carry_absolute_places();
	bad_models_are_refused();
	places_outside_are_refused();
	a_snapshot_has_its_blobs();
	data_is_split();
	nodes_out_of_order_are_sorted();
	a_model_in_memory_sees_no_files();
	the_checker_agrees();
	if (failed == 0)
		CHECK(system(arena_str(&c.mem, "rm -r %s", dir)) == 0);
	arena_free(&c.mem);
	return check_done("onnx");
}
