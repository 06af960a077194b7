#!/usr/bin/env bats
# What qnn-compile promises on its command line and to hostile models.

load helper

setup_file() {
	places
	artifacts "$D"
}

@test "help, version, unknown options, full stdout" {
	usage_rules qnn-compile
	refused 2 'qnn-compile: --ctx-len: 0 is not in *' \
		qnn-compile --ctx_len 0 "$D/o.onnx"
	refused 2 "qnn-compile: --batch-size: 'x' is not *" \
		qnn-compile -b x "$D/o.onnx"
}

@test "--list-ops and --list-kernels name what there is" {
	accepted qnn-compile --list-ops
	[[ $output == *MatMul* ]]
	accepted qnn-compile --list-kernels
	[ "${#lines[@]}" -ge 3 ]
}

@test "outputs are whole, repeatable, and say when they fail" {
	out_rules qnn-compile -q --ctx-len 64 --prompt-len 8 "$D/o.onnx"
}

@test "inputs that are cut, of another kind or not there are refused" {
	in_rules qnn-compile "$D/o.onnx"
	refused 3 'qnn-compile: *m.qpc: *QPC*' qnn-compile "$D/m.qpc"
	refused 3 'qnn-compile: *m.qeff: *' qnn-compile "$D/m.qeff"
}

@test "the package does not depend on threads or place" {
	qnn-compile -t 1 --ctx-len 64 --prompt-len 8 "$D/o.onnx" >a
	qnn-compile -t 3 --ctx_len=64 --prompt_len=8 "$D/o.onnx" >b
	cmp a b
}

@test "the package is a tar archive with its manifest first" {
	run tar tf "$D/m.qpc"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = manifest.json ]
	tar xOf "$D/m.qpc" manifest.json | jq -e .
}

@test "sizes that do not fit are refused" {
	refused 2 'qnn-compile: *--prompt-len 128 *--ctx-len 64*' \
		qnn-compile --prompt-len 128 --ctx-len 64 "$D/o.onnx"
	# a package says what it needs; whoever runs it may not have it
	qnn-compile -q --ctx-len 16777216 --batch-size 65536 "$D/o.onnx" -o big
	refused 8 'qpc-run: *' qpc-run big --ids 1,2 -n 1
}

@test "an unknown backend or type is refused" {
	refused 2 "qnn-compile: --backend: 'hots' is not one of host" \
		qnn-compile -q --backend hots "$D/o.onnx"
	refused 2 "qnn-compile: *'int3'*" \
		qnn-compile -q --weights int3 "$D/o.onnx"
}

@test "weights that are not there are named" {
	cp "$D/o.onnx" lost.onnx
	refused 4 'qnn-compile: *model*safetensors: No such *' \
		qnn-compile lost.onnx
}

@test "damaged models never crash it" {
	damaged qnn-compile "$D/o.onnx"
}
