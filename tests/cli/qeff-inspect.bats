#!/usr/bin/env bats
# qeff-inspect: every kind of artifact, as text and as JSON.

load helper

model() {
	make-onnx m.onnx <<-'END'
	graph small
	opset ai.onnx:17
	in %x : float32[batch,3]
	const %w : float32[3,4] = {0.5 ...}
	%a = MatMul(%x, %w) : float32[batch,4]
	%y = Neg(%a) : float32[batch,4]
	out %y
	END
}

# The stages on the demo model: d.qeff, d.onnx, d.qpc.
demo() {
	hf-load "$ROOT/share/models/demo" -o d.qeff
	qeff-transform d.qeff | onnx-export -o d.onnx
	qnn-compile d.onnx -o d.qpc
}

@test "help, version, unknown options, full stdout" {
	usage_rules qeff-inspect
}

@test "an ONNX model, from a file and a pipe" {
	model
	accepted qeff-inspect m.onnx
	[ "${lines[0]}" = 'kind: ONNX model' ]
	[[ $output == *'inputs (name, dtype, shape):'$'\n''  x  float32  [batch, 3]'* ]] ||
		complain inputs
	[[ $output == *'  MatMul: 1'* ]] || complain operators
	qeff-inspect m.onnx >text
	qeff-inspect <m.onnx | cmp - text
	accepted qeff-inspect -jt m.onnx
	[[ $output == *'"tensors": ['*'"name": "w"'* ]] || complain json
}

@test "the graph as text is the graph" {
	model
	accepted qeff-inspect -g m.onnx
	[ "${lines[0]}" = 'graph small' ]
	[ "${lines[-2]}" = '%y = Neg(%a) : float32[batch,4]' ] ||
		complain node
	qeff-inspect -g m.onnx | make-onnx m2.onnx
	cmp m.onnx m2.onnx
}

@test "a checkpoint, a document, a model and a package" {
	[ -e "$ROOT/share/models/demo/config.json" ] || skip 'no demo model'
	demo
	accepted qeff-inspect "$ROOT/share/models/demo"
	[[ $output == *'model_type: llama'*'parameters: '* ]] ||
		complain checkpoint
	accepted qeff-inspect d.qeff
	[ "${lines[0]}" = 'kind: model document' ]
	[[ $output == *'  layers: '* ]] || complain document
	accepted qeff-inspect "$ROOT/share/models/demo/tokenizer.json"
	[[ $output == *'model: BPE'* ]] || complain tokenizer
	accepted qeff-inspect "$ROOT/share/models/demo/model.safetensors"
	[[ $output == *'bytes_of:'* ]] || complain safetensors
	accepted qeff-inspect d.onnx
	[[ $output == *'qeff.provenance'* ]] || complain onnx
	accepted qeff-inspect --verify d.qpc
	[[ $output == *'checked: all bytes'*'memory_bytes:'* ]] ||
		complain package
	accepted qeff-inspect -j d.qpc
	[[ $output == *'"kind": "package"'* ]] || complain json
}

@test "a damaged package is noticed where it is read whole" {
	[ -e "$ROOT/share/models/demo/config.json" ] || skip 'no demo model'
	demo
	size=$(stat -c %s d.qpc)
	printf X | dd of=d.qpc bs=1 seek=$((size - 300000)) conv=notrunc \
		status=none
	accepted qeff-inspect d.qpc
	refused 3 'qeff-inspect: d.qpc: *' qeff-inspect --verify d.qpc
}

@test "what it is not, is said" {
	refused 4 'qeff-inspect: none: No such file or directory' \
		qeff-inspect none
	: >empty
	refused 3 'qeff-inspect: empty: not an artifact *: it is empty*' \
		qeff-inspect empty
	printf 'version https://git-lfs.github.com/spec/v1\n' >lfs
	refused 3 "qeff-inspect: lfs: *git lfs pull*" qeff-inspect lfs
	echo '{"a": 1}' >j
	refused 3 'qeff-inspect: j: JSON of no known kind' qeff-inspect j
	echo '{"model_type": "llama"}' >config
	accepted qeff-inspect config
	refused 3 'qeff-inspect: config: not an ONNX model: --graph' \
		qeff-inspect -g config
	head -c 100 /dev/urandom >noise
	run qeff-inspect noise
	[ "$status" -eq 3 ]
}

@test "programqpc.bin: segments, programs, operators; out and in again" {
	make-programqpc p.bin
	accepted qeff-inspect -j p.bin
	[ "$(jq -r '.network.cores' <<<"$output")" = 16 ]
	[ "$(jq -c '.specializations[1].inputs[0].shape' <<<"$output")" = '[2,8]' ]
	[ "$(jq -c .operators <<<"$output")" = '{"add":1,"matmul":1}' ]
	accepted qeff-inspect -t p.bin
	[[ $output == *MatMul_0* ]]
	accepted qeff-inspect --extract parts p.bin
	[ "$(cat parts/unknown.bin)" = 'kept as it is' ]
	accepted qeff-inspect --replace network.elf=parts/network.elf p.bin -o q.bin
	cmp p.bin q.bin
	refused 2 "*wanted SEGMENT=FILE*" \
		qeff-inspect --replace x=p.bin p.bin
	head -c 300 p.bin >cut.bin
	refused 3 'qeff-inspect: cut.bin: cut: *' qeff-inspect cut.bin
	damaged qeff-inspect p.bin
}
