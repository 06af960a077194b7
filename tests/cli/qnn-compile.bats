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
	qnn-compile -q --ctx-len 16777216 --prompt-len 32 \
		--batch-size 65536 "$D/o.onnx" -o big
	refused 8 'qpc-run: *' qpc-run big --ids 1,2 -n 1
}

@test "an unknown backend or type is refused" {
	refused 2 "qnn-compile: --backend: 'hots' is not one of host|qaic|qnn" \
		qnn-compile -q --backend hots "$D/o.onnx"
	refused 2 "qnn-compile: *'int3'*" \
		qnn-compile -q --weights int3 "$D/o.onnx"
}

@test "the cache is float16 where the weights are narrow" {
	cache() {
		qnn-compile -q --ctx-len 64 --prompt-len 8 "$@" "$D/o.onnx" |
			tar xOf - manifest.json | jq -r .kv_cache_dtype
	}
	[ "$(cache)" = float32 ]
	[ "$(cache --weights float32)" = float32 ]
	[ "$(cache --weights int8)" = float16 ]
	[ "$(cache --weights 'lm_head=int8')" = float32 ]
	[ "$(cache --weights 'lm_head=int8,*=mxfp6')" = float16 ]
	[ "$(cache --weights int8 --kv-cache-dtype mxint8)" = mxint8 ]
}

@test "weights that are not there are named" {
	cp "$D/o.onnx" lost.onnx
	refused 4 'qnn-compile: *model*safetensors: No such *' \
		qnn-compile lost.onnx
}

@test "damaged models never crash it" {
	damaged qnn-compile "$D/o.onnx"
}

# late TEXT: a package of the graph, and the .npy inputs in.
late() {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy'
	make-onnx late.onnx
	accepted qnn-compile -q late.onnx -o late.qpc "$@"
}

@test "shapes that depend on values are sized when it runs" {
	late <<-'EOF'
		graph main
		opset ai.onnx:17
		in %x : float32[6]
		const %zero : float32[] = {0}
		const %axis : int64[1] = {0}
		%pos = Greater(%x, %zero) : bool[6]
		%at = NonZero(%pos) : int64[1,?]
		%flat = Squeeze(%at, %axis) : int64[?]
		%y = Gather(%x, %flat) : float32[?]
		%n = ReduceSum(%y) {keepdims=0} : float32[]
		%z = Add(%x, %n) : float32[6]
		out %y
		out %z
	EOF
	[ "$(tar xOf late.qpc manifest.json | /usr/bin/python3 -c '
import json, sys
m = json.load(sys.stdin)
y, z = m["specializations"][0]["outputs"]
print(y["shape"], z["shape"], m["memory_bytes"]["sized_at_run_time"])')" = \
		'[None] [6] 1073741824' ]
	for v in '1 -1 2 -2 3 0' '-1 -1 -1 -1 -1 -1' '1 2 3 4 5 6'; do
		V=$v /usr/bin/python3 -c 'import numpy as n, os
n.save("x.npy", n.array(os.environ["V"].split(), "f4"))'
		accepted qpc-run late.qpc --input x=x.npy --output out
		/usr/bin/python3 -c 'import numpy as n
x = n.load("x.npy"); y = n.load("out/y.npy"); z = n.load("out/z.npy")
assert (y == x[x > 0]).all() and (z == x + x[x > 0].sum()).all(), (y, z)'
	done
	# a second run forgets the first
	accepted qpc-run -q late.qpc --random --iterations 3 --duration 0.01
}

@test "graphs inside a graph see its values; sequences, text, open shapes" {
	late <<-'EOF'
		graph main
		opset ai.onnx:17
		in %x : float32[?,2]
		in %n : int64[]
		in %c : bool[]
		const %two : float32[] = {2}
		%big = Mul(%x, %two) : float32[?,2]
		%i = If(%c) {then_branch=graph {
			%t = Add(%big, %x) : float32[?,2]
			out %t
		}, else_branch=graph {
			%e = Neg(%big) : float32[?,2]
			out %e
		}} : float32[?,2]
		out %i
	EOF
	for c in 0 1; do
		C=$c /usr/bin/python3 -c 'import numpy as n, os
n.save("x.npy", n.arange(6, dtype="f4").reshape(3, 2))
n.save("n.npy", n.array(4))
n.save("c.npy", n.array(os.environ["C"] == "1"))'
		accepted qpc-run late.qpc --input x=x.npy --input n=n.npy \
			--input c=c.npy --output out
		/usr/bin/python3 -c 'import numpy as n
x = n.load("x.npy"); c = n.load("c.npy"); i = n.load("out/i.npy")
assert (i == (3 * x if c else -2 * x)).all(), i'
	done
}

@test "what is sized at run time keeps to the bound of the package" {
	late --max-dynamic-bytes 1000000 <<-'EOF'
		graph main
		opset ai.onnx:17
		in %n : int64[1]
		const %one : float32[1] = {1}
		%y = Expand(%one, %n) : float32[?]
		%z = ReduceSum(%y) : float32[1]
		out %z
	EOF
	/usr/bin/python3 -c 'import numpy as n
n.save("small.npy", n.array([1000])); n.save("big.npy", n.array([1000000]))'
	accepted qpc-run late.qpc --input n=small.npy --output out
	refused 8 "qpc-run: *--max-dynamic-bytes*: output 'y': float32*1000000* is 4000000 bytes, *" \
		qpc-run late.qpc --input n=big.npy --output none
	refused 2 'qnn-compile: --max-dynamic-bytes: 0 is not in 1 to *' \
		qnn-compile late.onnx --max-dynamic-bytes 0
}

@test "--report and -v: format, size and error of each weight" {
	for w in float32 int8 mxfp6; do
		accepted qnn-compile -q "$D/m.onnx" --weights $w \
			--report $w.json -o $w.qpc
		qnn-compile -q "$D/m.onnx" --weights $w -o without.qpc
		cmp $w.qpc without.qpc
		jq -e '(.weights | map(.share) | add) as $s | $s > 0.9 and $s <= 1 and
			(.weights | map(.bytes) | add) <= .bytes' $w.json
	done
	jq -e '.relative_error == 0' float32.json
	jq -e '.relative_error > 1e-3 and .relative_error < 1e-2' int8.json
	jq -e '.relative_error > 1e-2 and .relative_error < 5e-2' mxfp6.json
	jq -e '.weights | any(.format == "mxfp6" and (.name | endswith("embed_tokens.weight")) and
		.bytes == .elements / 512 * 400)' mxfp6.json
	run --separate-stderr qnn-compile -v "$D/m.onnx" --weights int8 -o v.qpc
	[[ $stderr == *'embed_tokens.weight: int8, error '*e-03,\ *' bytes, '*' %'* ]]
	[[ $stderr == *': weights: error '*' bits an element'* ]]
	cmp v.qpc int8.qpc
	run ! qnn-compile -q "$D/m.onnx" --report none/r.json -o r.qpc
	[ ! -e r.qpc ]
}

@test "a dropout that trains is refused, by whatever means it is told to" {
	late <<-'EOF'
		graph main
		opset ai.onnx:17
		in %x : float32[4]
		in %t : bool[]
		const %r : float32[] = {0.5}
		%y = Dropout(%x, %r, %t) : float32[4]
		out %y
	EOF
	/usr/bin/python3 -c 'import numpy as n
n.save("x.npy", n.ones(4, "f4"))
n.save("0.npy", n.array(False)); n.save("1.npy", n.array(True))'
	accepted qpc-run late.qpc --input x=x.npy --input t=0.npy --output out
	cmp x.npy out/y.npy
	refused 3 'qpc-run: *Dropout*: training is not supported' \
		qpc-run late.qpc --input x=x.npy --input t=1.npy --output none
}

# hostile NAME STATEMENTS: a model that the statements spoil.
hostile() {
	NAME=$1 BODY=$2 /usr/bin/python3 -c 'import os
from onnx import TensorProto as T, helper as h
f = lambda name, *dims: h.make_tensor_value_info(name, T.FLOAT, dims)
x, y, n = [f("x", 2, 3)], [f("y", 2, 3)], [h.make_node("Relu", ["x"], ["y"])]
init, data = [], lambda name, dims, raw: T(name=name, dims=dims,
	data_type=T.FLOAT, raw_data=raw)
exec(os.environ["BODY"])
g = h.make_graph(n, "g", x, y, init)
m = h.make_model(g, opset_imports=[h.make_opsetid("", 17)])
open(os.environ["NAME"], "wb").write(m.SerializeToString())'
}

@test "hostile graphs are refused with a sentence" {
	/usr/bin/python3 -c 'import onnx' 2>/dev/null || skip 'no onnx'
	while IFS='|' read -r glob body; do
		hostile h.onnx "$body"
		refused 3 "qnn-compile: *$glob*" qnn-compile h.onnx -o h.qpc ||
			complain "$glob"
	done <<-'EOF'
		cycle|n = [h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"]), h.make_node("Relu", ["b"], ["y"])]
		'gone' is not made by anything|n = [h.make_node("Relu", ["gone"], ["y"])]
		made twice|n += n
		too large|n = [h.make_node("Concat", ["x"] * 2, ["y"], axis=0)]; x = [f("x", 1 << 62, 3)]; y = [f("y", 1 << 62, 3)]
		axis -7|n = [h.make_node("Softmax", ["x"], ["y"], axis=-7)]
		bytes|init = [data("w", [4], b"123")]; n = [h.make_node("Add", ["x", "w"], ["y"])]
		do not broadcast|init = [data("w", [5], bytes(20))]; n = [h.make_node("Add", ["x", "w"], ["y"])]
		is no path inside|w = T(name="w", dims=[3], data_type=T.FLOAT, data_location=T.EXTERNAL); w.external_data.add(key="location", value="../" * 30 + "etc/passwd"); init = [w]; n = [h.make_node("Add", ["x", "w"], ["y"])]
		inputs|n = [h.make_node("MatMul", ["x"], ["y"])]
		not supported|n = [h.make_node("Frobnicate", ["x"], ["y"])]
		nest|s = h.make_graph(n, "s", [], y); g = s; [g := h.make_graph([h.make_node("If", ["c"], ["y"], then_branch=g, else_branch=s)], "b", [], y) for i in range(200)]; n = list(g.node); x.append(h.make_tensor_value_info("c", T.BOOL, []))
	EOF
}

@test "--estimate: by format and device, and what would make it fit" {
	cat >config.json <<-'X'
		{"model_type": "llama", "hidden_size": 4096, "vocab_size": 32000,
		"num_hidden_layers": 32, "num_attention_heads": 32,
		"num_key_value_heads": 8, "intermediate_size": 14336,
		"torch_dtype": "float16", "tie_word_embeddings": false}
	X
	accepted qnn-compile --estimate --ctx-len 4096 config.json
	# 2*32000*4096 + 32*(2*4096*4096 + 2*4096*1024 + 3*4096*14336)
	[[ $output == *'parameters: 7241465856'* ]]
	# 32 layers, keys and values of 8 heads of 128, 2 bytes
	[[ $output == *'bytes_per_device: 15019802624'* ]]
	accepted qnn-compile --memory 16G --ctx-len 4096 config.json
	[[ $output == *'fits: true'* ]]
	run --separate-stderr qnn-compile --memory 8G --ctx-len 4096 config.json
	[ "$status" -eq 1 ] || complain status
	[[ $output == *'--mxfp6-matmul'* && $output == *'--num-devices 2'* ]]
	[[ $stderr == 'qnn-compile: does not fit: 15019802624 bytes a device, there are 8589934592' ]]
	refused 2 "qnn-compile: --memory 'lots': *" \
		qnn-compile --memory lots config.json
	# the cache is that which is then compiled
	qnn-compile -q --weights int8 --ctx-len 64 --prompt-len 8 "$D/o.onnx" -o e.qpc 2>/dev/null
	[ "$(qnn-compile --estimate --weights int8 --ctx-len 64 --prompt-len 8 "$D/o.onnx" |
		sed -n '/^cache_by/,$d; /^cache:/s/.*: *//p')" = \
		"$(qeff-inspect -j e.qpc | jq -r .kv_cache_dtype)" ] || complain 'another cache'
	accepted qnn-compile --estimate --num-devices 2 "$D/o.onnx"
	[[ $output == *'devices: 2'* ]]
}

@test "a window with as many inputs as there are channels is no pixel" {
	late <<-'EOF'
		graph main
		opset ai.onnx:17
		in %x : float32[1,2,3]
		const %w : float32[2,1,2] = {1, 10, 100, 1000}
		%y = Conv(%x, %w) {group=2, pads=[0,1]} : float32[1,2,3]
		out %y
	EOF
	/usr/bin/python3 -c 'import numpy as n
n.save("x.npy", n.arange(1, 7, dtype="f4").reshape(1, 2, 3))'
	accepted qpc-run late.qpc --input x=x.npy --output out --format raw
	[ "$(od -An -tf4 -w24 out/y.raw | tr -s ' ')" = ' 21 32 3 5400 6500 600' ]
}
