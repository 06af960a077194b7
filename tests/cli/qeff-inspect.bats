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

# Whether stdin is well-formed XML.
well_formed() {
	/usr/bin/python3 -c 'import sys, xml.dom.minidom
xml.dom.minidom.parse(sys.stdin.buffer)'
}

# Six blocks of nine nodes.
tower() {
	{
		printf 'graph tower\nopset ai.onnx:17\nin %%x0 : float32[n,4]\n'
		for k in 0 1 2 3 4 5; do
			printf 'const %%w%d : float32[4,4] = {0.%d1 ...}\n' $k $k
		done
		for k in 0 1 2 3 4 5; do
			printf '%%m%d = MatMul(%%x%d, %%w%d)\n' $k $k $k
			printf '%%a%d = Neg(%%m%d)\n' $k $k
			printf '%%b%d = Exp(%%a%d)\n' $k $k
			printf '%%c%d = Tanh(%%b%d)\n' $k $k
			printf '%%d%d = Abs(%%c%d)\n' $k $k
			printf '%%e%d = Sqrt(%%d%d)\n' $k $k
			printf '%%f%d = Sigmoid(%%e%d)\n' $k $k
			printf '%%g%d = Floor(%%f%d)\n' $k $k
			printf '%%x%d = Add(%%g%d, %%x%d)\n' $((k + 1)) $k $k
		done
		printf '%%y = Softmax(%%x6) : float32[n,4]\nout %%y\n'
	} | make-onnx tower.onnx
}

@test "layers that repeat are one, in a graph" {
	tower
	accepted qeff-inspect -j tower.onnx
	[ "$(jq -c '.layers[] | select(.times > 1) | [.times, .parameters,
		.bytes]' <<<"$output")" = '[6,96,384]' ] || complain layers
	[ "$(jq -c '[.layers[] | select(.times == 1) | .name]' <<<"$output")" = \
		'["inputs","Softmax","outputs"]' ] || complain others
	[ "$(jq -c '[.weights.parameters, .weights.bytes_of]' <<<"$output")" = \
		'[96,{"float32":384}]' ] || complain weights
	accepted qeff-inspect --dot tower.onnx
	[[ $output == 'digraph "tower" {'*'6 times'*'peripheries=2'*'n0 -> n1;'* ]] ||
		complain dot
	[[ $output == *'n1 -> n2;'*'n2 -> n3;'* ]] || complain links
	[[ $output != *'n1 -> n1;'* ]] || complain loop
}

@test "a picture is XML, the same each time, whatever the names" {
	make-onnx odd.onnx <<-'END'
	graph "a<b>&\"c"
	opset ai.onnx:17
	in %"x<&>\"]]>" : float32[2]
	%y = Neg(%"x<&>\"]]>") : float32[2]
	out %y
	END
	tower
	for m in odd tower; do
		accepted qeff-inspect --svg $m.onnx
		[[ $output == '<svg xmlns='*'</svg>' ]] || complain svg
		qeff-inspect --svg $m.onnx >drawn
		qeff-inspect --svg <$m.onnx | cmp - drawn
		if /usr/bin/python3 -c 'import xml.dom.minidom' 2>/dev/null; then
			well_formed <drawn
		fi
	done
	qeff-inspect --svg odd.onnx | grep -qF 'x&lt;&amp;&gt;'
	qeff-inspect --svg tower.onnx | grep -qF '6 times'
	head -c 40 tower.onnx >cut.onnx
	run qeff-inspect --svg cut.onnx
	[ "$status" -eq 3 ] || complain cut
}

@test "layers and memory of a document and a package" {
	[ -e "$ROOT/share/models/demo/config.json" ] || skip 'no demo model'
	demo
	accepted qeff-inspect -j d.qeff
	[ "$(jq -c '[.layers[] | [.name, .times]]' <<<"$output")" = \
		'[["embed",1],["layers 0-3",4],["final",1],["head",1]]' ] ||
		complain layers
	bytes=$(jq .model.bytes <<<"$output")
	[ "$(jq '[.model.bytes_of[]] | add' <<<"$output")" = "$bytes" ] ||
		complain bytes
	# the head is the embedding
	[ "$(jq .model.parameters <<<"$output")" = 918656 ] ||
		complain parameters
	# 4 layers, keys and values, 2 heads of 32, 512 places
	[ "$(jq -c '.memory[0] | [.ctx_len, .cache_float32]' \
		<<<"$(qeff-transform d.qeff | qeff-inspect -j)")" = \
		'[512,1048576]' ] || complain memory
	accepted qeff-inspect -j d.qpc
	[ "$(jq -c '[.memory[].program | split("_")[0]] | unique' \
		<<<"$output")" = '["Decode","Prefill"]' ] ||
		complain programs
	[ "$(jq '[.memory[].arena] | max' <<<"$output")" = \
		"$(jq .memory_bytes.arena <<<"$output")" ] || complain arena
	[ "$(jq '.memory | .[0].arena > .[-1].arena' <<<"$output")" = true ] ||
		complain 'the shorter program takes less'
	qeff-inspect --svg d.qeff >d.svg
	grep -qF 'layers 0-3, 4 times' d.svg
	qeff-inspect --dot d.onnx | grep -qF '4 times'
	# programs with the same steps are drawn once
	qeff-inspect --svg d.qpc >p.svg
	grep -qF 'layers, 4 times' p.svg && grep -qF 'rope 2' p.svg ||
		complain "$(cat p.svg)"
	[ "$(grep -c '>outputs<' p.svg)" -eq 1 ]
	grep -qF 'Decode, input_ids : [1,1]' p.svg
	qeff-inspect --dot d.qpc | grep -qF 'n0 -> n1;'
	refused 3 'qeff-inspect: *tokenizer.json: no model document, ONNX model or package*' \
		qeff-inspect --svg "$ROOT/share/models/demo/tokenizer.json"
}
