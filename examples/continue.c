/* SPDX-License-Identifier: BSD-3-Clause
 * continue.c - the smallest client of libqeff: a checkpoint and a prompt in,
 * a continuation out.  The artifacts stay in the directory for a look.
 *
 *	cc continue.c $(pkg-config --static --cflags --libs qeff)
 *	./a.out /usr/local/share/qeff DIR 'Once upon a time' */

#include <qeff.h>

static bool
compile(qe_ctx *c, const char *checkpoint)
{
	qe_load load = QE_LOAD_INIT;
	qe_transform transform = QE_TRANSFORM_INIT;
	qe_export export = QE_EXPORT_INIT;
	qe_compile compile = QE_COMPILE_INIT;

	load.path = checkpoint;
	load.out = "m.qeff";
	transform.in = "m.qeff";
	transform.out = "t.qeff";
	export.in = "t.qeff";
	export.out = "m.onnx";
	compile.in = "m.onnx";
	compile.out = "m.qpc";
	compile.ctx_len = 256;
	return qe_hf_load(c, &load) && qe_model_transform(c, &transform) &&
	       qe_onnx_export(c, &export) && qe_qnn_compile(c, &compile);
}

int
main(int argc, char **argv)
{
	qe_ctx *c = qe_open("continue");
	qe_run run = QE_RUN_INIT;
	int status;

	if (argc != 4) {
		fprintf(stderr, "usage: continue SHARE DIR PROMPT\n");
		return QE_USAGE;
	}
	qe_set_share(c, argv[1]);
	run.package = "m.qpc";
	run.prompts = (const char *const[]){argv[3], NULL};
	run.to = stdout;
	if (!compile(c, argv[2]) || !qe_qpc_run(c, &run))
		fprintf(stderr, "continue: %s\n", qe_message(c));
	status = (int)qe_status(c);
	qe_close(c);
	return status;
}
