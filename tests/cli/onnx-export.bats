#!/usr/bin/env bats
# What onnx-export promises on its command line and to hostile documents.

load helper

setup_file() {
	places
	make-checkpoint "$D/ck"
	hf-load -q "$D/ck" -o "$D/m.qeff"
	qeff-transform "$D/m.qeff" -o "$D/t.qeff"
}

@test "help, version, unknown options, full stdout" {
	usage_rules onnx-export
	refused 2 "onnx-export: --dtype: 'f8' is not one of *" \
		onnx-export --dtype f8 "$D/t.qeff"
	refused 3 'onnx-export: opset 11 is not supported, 17 is' \
		onnx-export --opset 11 "$D/t.qeff"
}

@test "outputs are whole, repeatable, and say when they fail" {
	# beside the model there are the links to its weights
	accepted onnx-export "$D/t.qeff" -o a.onnx
	cp a.onnx first
	accepted onnx-export "$D/t.qeff" -o a.onnx
	cmp a.onnx first
	for o in none/a /dev/full .; do
		run --separate-stderr onnx-export "$D/t.qeff" -o $o
		[ "$status" -eq 4 ] || complain "-o $o"
		[[ $stderr == "onnx-export: $o"*': '* ]] || complain "-o $o"
	done
	run sh -c 'onnx-export "$D/t.qeff" >/dev/full'
	[ "$status" -eq 4 ]
}

@test "inputs that are cut, of another kind or not there are refused" {
	in_rules onnx-export "$D/t.qeff"
	refused 3 'onnx-export: *: *ONNX*' \
		onnx-export "$ROOT/tests/fuzz/corpus/onnx/test_scan_sum"
	refused 3 'onnx-export: *: *safetensors*' \
		onnx-export "$D/ck/model.safetensors"
}

@test "the checker of ONNX takes the model" {
	/usr/bin/python3 -c 'import onnx' 2>/dev/null || skip 'no python3-onnx'
	for dtype in float32 float16 bfloat16; do
		accepted onnx-export --dtype $dtype "$D/t.qeff" -o a.onnx
		accepted /usr/bin/python3 -c \
			'import onnx; onnx.checker.check_model("a.onnx")'
	done
}

@test "weights are referred to by relative names beside the model" {
	accepted onnx-export "$D/t.qeff" -o a.onnx
	accepted grep -aq model.safetensors a.onnx
	run grep -aF "$D" a.onnx
	[ "$status" -eq 1 ]
}

@test "--materialize makes a model that can be moved" {
	accepted onnx-export --materialize "$D/t.qeff" -o a.onnx
	[ "$(find . -type f | sort | tr '\n' ' ')" = './a.onnx ./a.onnx.data ' ]
	run grep -aF safetensors a.onnx
	[ "$status" -eq 1 ]
}

@test "weights that changed since they were loaded are noticed" {
	cp -r "$D/ck" "$D/t.qeff" .
	accepted onnx-export t.qeff -o a.onnx
	rm a.onnx
	echo >>ck/model.safetensors
	refused 3 'onnx-export: *model.safetensors: *' onnx-export t.qeff -o b
	rm ck/model.safetensors
	refused 4 'onnx-export: *model.safetensors: [Nn]o such *' \
		onnx-export t.qeff -o b
}

@test "damaged documents never crash it" {
	damaged onnx-export "$D/t.qeff"
}

@test "--experts: a body without control flow, the same tokens" {
	[ -d "$SHARED/golden/qwen3_moe" ] || skip 'no reference checkpoints here'
	hf-load -q "$SHARED/golden/qwen3_moe" | qeff-transform -q -o m.qeff
	for way in loop chosen all; do
		onnx-export -q --experts $way m.qeff -o $way.onnx
		qnn-compile -q $way.onnx -o $way.qpc 2>/dev/null
		qpc-run -q $way.qpc --ids 5,6,7 -n 12 --ignore-eos >$way.ids
		cmp loop.ids $way.ids
		run --separate-stderr qnn-compile --backend qaic --dry-run \
			--no-cache $way.onnx -o said
		if [ $way = loop ]; then
			[[ $stderr == *"ExpertMatMul has If, which the card's compiler may refuse: onnx-export --experts"* ]] ||
				complain 'no warning'
		else
			[[ $stderr != *refuse* ]] || complain 'a warning'
		fi
	done
	refused 2 'onnx-export: *' onnx-export --experts some m.qeff -o x.onnx
}

@test "layers that repeat are calls of one function" {
	make-checkpoint --layers 4 four
	hf-load -q four | qeff-transform -q -o four.qeff
	onnx-export -q four.qeff -o plain.onnx
	onnx-export -q --use-onnx-subfunctions four.qeff -o calls.onnx
	qeff-inspect --json calls.onnx | jq -e '[.functions[] |
		select(.domain == "qeff.functions")] | length == 1'
	for m in plain calls; do
		qeff-inspect --json $m.onnx | jq -c '.inputs, .outputs' >$m.io
		qnn-compile -q $m.onnx -o $m.qpc 2>/dev/null
		qpc-run -q $m.qpc --ids 1,2,3 -n 20 --ignore-eos >$m.ids
	done
	cmp plain.io calls.io
	cmp plain.ids calls.ids
}
